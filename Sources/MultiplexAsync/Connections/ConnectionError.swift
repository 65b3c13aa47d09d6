public import Multiplex
public import SystemPackage

/// A failed operation of a connection, listener or datagram socket: what failed, with which peer, and why.
public struct ConnectionError: Error, Hashable, Sendable {
  /// The kinds of failure that a program may want to distinguish.
  public enum Reason: Hashable, Sendable {
    /// The peer has reset the connection (ECONNRESET, EPIPE).
    case reset
    /// Nothing listens at the address (ECONNREFUSED).
    case refused
    /// It took longer than the kernel, a deadline or an idle timeout allows (ETIMEDOUT).
    case timedOut
    /// The calling task was cancelled. The connection is unchanged, and nothing is lost.
    case cancelled
    /// The connection was closed on this side.
    case closed
    /// The peer closed its side before everything requested had arrived.
    case endOfInput
    /// More bytes arrived than the limit allows, without what was looked for; or a message is longer than its length
    /// prefix can represent.
    case limitExceeded
    /// Another task or chunk handler is already reading: a connection has one reader at a time.
    case busy
    /// The name has no address, or can't be looked up; the error contains the resolver's message.
    ///
    /// Indirect, as this is large and rare: each waiting read and write stores a reason.
    indirect case unresolved(MultiplexError)
    /// Any other error, by its error number.
    case system(Errno)
  }

  /// The operation.
  public enum Operation: String, Hashable, Sendable {
    case connect, read, write, closeWrite, receive, send
  }

  /// The kind of failure.
  public let reason: Reason
  /// The operation.
  public let operation: Operation
  /// The other side, if known.
  public let peer: SocketAddress?

  /// Describes a failure.
  public init(_ reason: Reason, during operation: Operation, peer: SocketAddress?) {
    self.reason = reason
    self.operation = operation
    self.peer = peer
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
}

extension ConnectionError.Reason: CustomStringConvertible {
  /// A short description.
  public var description: String {
    switch self {
    case .reset: "the connection was reset by the peer"
    case .refused: "connection refused"
    case .timedOut: "timed out"
    case .cancelled: "the task was cancelled"
    case .closed: "the connection was closed locally"
    case .endOfInput: "the peer closed its side too early"
    case .limitExceeded: "more bytes than the limit allows"
    case .busy: "another reader is active"
    case .unresolved(let error): error.description
    case .system(let errno): errno.description
    }
  }
}

extension ConnectionError: CustomStringConvertible {
  /// One line: the operation, the peer, and what happened.
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
    guard reason != .timedOut || !isUnderWay else { return "idle for too long, or the peer doesn't answer" }
    guard let advice else { return reason.description }
    return "\(reason); \(advice)"
  }

  /// What to do about the kernel's error, if anything.
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
    case .read: "recv"
    case .write, .closeWrite: "send"
    case .receive: "recvfrom"
    case .send: "sendto"
    }
  }
}
