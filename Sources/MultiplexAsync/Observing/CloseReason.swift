/// Why a connection was closed, as reported to a ``ReactorObserver`` and by ``Connection/onClose(_:)``.
public enum CloseReason: Sendable {
  /// This side closed it, after everything written was sent.
  case finished
  /// This side aborted it.
  case aborted
  /// No byte was received or sent for longer than ``Connection/setIdleTimeout(_:)`` allows.
  case idle
  /// The peer didn't keep up with what was posted to it: see ``Connection/post(_:limit:)-([UInt8],_)``.
  case fellBehind
  /// The last reference to it was released.
  case dropped
  /// Its handler threw this error.
  case failed(any Error)
  /// The listener that accepted it was shut down, or the task that served it was cancelled.
  case shutDown
  /// The peer or the network broke it before it was closed.
  case lost(ConnectionError.Reason)
}

extension CloseReason {
  var isAbort: Bool { if case .aborted = self { true } else { false } }

  /// - Parameters:
  ///   - failure: Why not everything written was sent; nil if it was.
  ///   - reason: What to report if sending was cancelled.
  init(flushed failure: ConnectionError.Reason?, ifCancelled reason: CloseReason) {
    switch failure {
    case nil: self = .finished
    case .cancelled: self = reason
    case _: self = .aborted
    }
  }
}

extension CloseReason: CustomStringConvertible {
  /// A few words, to follow "closed: ".
  public var description: String {
    switch self {
    case .finished: "finished"
    case .aborted: "aborted by this side"
    case .idle: "idle"
    case .fellBehind: "the peer fell behind"
    case .dropped: "no longer referenced"
    case .failed(let error): "\(error)"
    case .shutDown: "the server is shutting down"
    case .lost(let reason): reason.description
    }
  }
}
