public import Multiplex
public import SystemPackage

/// What happened to a connection, to whose, and during what.
public struct ConnectionError: Error, Hashable, Sendable {
  /// The kinds of failure that a program may want to tell apart.
  public enum Reason: Hashable, Sendable {
    /// The peer has broken the connection off (ECONNRESET, EPIPE).
    case reset
    /// Nobody listens there (ECONNREFUSED).
    case refused
    /// It took longer than the kernel, or a deadline, allows (ETIMEDOUT).
    case timedOut
    /// The calling task was cancelled. The connection is as it was, and nothing is lost.
    case cancelled
    /// The connection was closed on this side.
    case closed
    /// The peer has finished sending before all that was asked for had come.
    case endOfInput
    /// More bytes came than the limit allows, without what was looked for; or a message is longer than its length can say.
    case limitExceeded
    /// Another task, or a handler of chunks, is doing the same at this moment: a connection has one reader at a time.
    case busy
    /// The name has no address, or can't be looked up; the error has the resolver's words.
    ///
    /// Indirect, as this is large and rare: reasons are part of what every read and write keeps while it waits.
    indirect case unresolved(MultiplexError)
    /// Anything else; the error number says what.
    case system(Errno)
  }

  /// What was being done.
  public enum Operation: String, Hashable, Sendable {
    case connect, read, write, closeWrite, accept, receive, send
  }

  /// What kind of failure it is.
  public let reason: Reason
  /// What was being done.
  public let operation: Operation
  /// The other side, where it is known.
  public let peer: SocketAddress?

  /// Describes a failure.
  public init(_ reason: Reason, during operation: Operation, peer: SocketAddress?) {
    self.reason = reason
    self.operation = operation
    self.peer = peer
  }

  init(_ errno: Errno, during operation: Operation, peer: SocketAddress?) {
    self.init(Reason(errno), during: operation, peer: peer)
  }
}

extension ConnectionError.Reason {
  init(_ errno: Errno) {
    self =
      switch errno {
      case .connectionReset, .brokenPipe: .reset
      case .connectionRefused: .refused
      case .timedOut: .timedOut
      default: .system(errno)
      }
  }

  var words: String {
    switch self {
    case .reset: "the connection was reset by the peer"
    case .refused: "nobody listens there"
    case .timedOut: "it took too long"
    case .cancelled: "the task was cancelled"
    case .closed: "closed on this side"
    case .endOfInput: "the peer has finished sending too early"
    case .limitExceeded: "more bytes than the limit allows"
    case .busy: "another task is doing the same"
    case .unresolved(let error): error.description
    case .system(let errno): errno.description
    }
  }
}

extension ConnectionError: CustomStringConvertible {
  /// One line: what was being done, with whom, and what happened.
  public var description: String {
    "\(operation)\(subject): \(explanation)"
  }

  private var subject: String {
    switch peer {
    case nil: ""
    case .unix(path: "")?: " an unnamed Unix socket"
    case let peer?: " \(peer)"
    }
  }

  private var explanation: String {
    let isUnderWay = operation == .read || operation == .write
    guard reason != .timedOut || !isUnderWay else { return "nothing came or went for too long" }
    guard let advice else { return reason.words }
    return "\(reason.words); \(advice)"
  }

  /// What to do about what the kernel says, if there is anything.
  private var advice: String? {
    guard case .system(let errno) = reason else { return nil }
    return MultiplexError.advice(on: errno, from: operation.call)
  }
}

extension ConnectionError.Operation {
  /// The system call that does it.
  fileprivate var call: String {
    switch self {
    case .connect: "connect"
    case .accept: "accept4"
    case .read: "recv"
    case .write, .closeWrite: "send"
    case .receive: "recvfrom"
    case .send: "sendto"
    }
  }
}
