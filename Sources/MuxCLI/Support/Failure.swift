import ArgumentParser
import Multiplex
import MultiplexAsync
import SystemPackage

/// The reason why a command fails, with an exit status of sysexits.h.
struct Failure: Error, CustomStringConvertible {
  let description: String
  let status: ExitCode

  init(_ description: String, _ status: ExitCode) {
    self.description = description
    self.status = status
  }

  /// Makes a failure of an error.
  ///
  /// - Parameters:
  ///   - error: The error to describe.
  ///   - status: The exit status, unless the error's reason has its own.
  init(_ error: MultiplexError, otherwise status: ExitCode) {
    description = Self.words(error)
    self.status =
      switch error.reason {
      case .unknownAddress where error.isLookupFailure: .noHost
      case .invalidArgument, .unknownAddress: .usage
      case .openFileLimit: .systemError
      case _ where error.call == "pthread_create": .systemError
      case _ where [.noMemory, .noBufferSpace].contains(error.errno): .systemError
      default: error.errno == .permissionDenied ? .noPermission : status
      }
  }

  private static func words(_ error: MultiplexError) -> String {
    guard let subject = error.subject else { return error.description }
    if error.isLookupFailure { return "\(subject): \(error.explanation)" }
    // The reader knows the address, but not the descriptor.
    return MultiplexError(
      call: error.call, subject: subject, reason: error.reason, errno: error.errno,
      advice: error.adviceOnAddress ?? error.advice
    ).description
  }
}

extension Failure {
  /// Makes a failure of the error of a connection.
  ///
  /// - Parameter endpoint: What was connected to, if known: the error has no address if several were tried.
  init(_ error: ConnectionError, of endpoint: Endpoint? = nil) {
    let errno: Errno
    switch error.reason {
    case .unresolved(let error):
      self.init(error, otherwise: .unavailable)
      return
    case .refused: errno = .connectionRefused
    case .timedOut: errno = .timedOut
    case .system(let number): errno = number
    default:
      self.init(error.description, .ioError)
      return
    }
    guard error.operation == .connect else {
      self.init(error.description, .ioError)
      return
    }
    // This error says what to do about it.
    self.init(
      MultiplexError(call: "connect", subject: error.peer?.description ?? endpoint?.description, errno: errno),
      otherwise: .unavailable)
  }
}

extension ExitCode {
  /// The command was used incorrectly (EX_USAGE).
  static let usage = ExitCode(64)
  /// A host name is unknown (EX_NOHOST).
  static let noHost = ExitCode(68)
  /// Something that is needed isn't available: a server, a free port, a backend (EX_UNAVAILABLE).
  static let unavailable = ExitCode(69)
  /// This program has a bug (EX_SOFTWARE).
  static let software = ExitCode(70)
  /// A resource of the system is exhausted (EX_OSERR).
  static let systemError = ExitCode(71)
  /// A file can't be written (EX_CANTCREAT).
  static let cantCreate = ExitCode(73)
  /// A connection was lost (EX_IOERR).
  static let ioError = ExitCode(74)
  /// The peer violates the protocol: a server doesn't echo (EX_PROTOCOL).
  static let protocolError = ExitCode(76)
  /// The process lacks permission (EX_NOPERM).
  static let noPermission = ExitCode(77)
}
