/// Why a connection was closed, as a ``ReactorObserver`` is told, and ``Connection/onClose(_:)``.
public enum CloseReason: Sendable {
  /// This side has closed it, and everything that was written was sent.
  case finished
  /// This side has closed it at once.
  case aborted
  /// Nothing has moved for longer than ``Connection/setIdleTimeout(_:)`` allows.
  case idle
  /// The peer hadn't taken what was posted to it: see ``Connection/post(_:limit:)-([UInt8],_)``.
  case fellBehind
  /// Nobody referred to it any more.
  case dropped
  /// What served it has thrown this error.
  case failed(any Error)
  /// The listener that had accepted it was shut down, or the task that served was cancelled.
  case shutDown
  /// It was broken before it was closed: by the peer, or by the network.
  case lost(ConnectionError.Reason)
}

extension CloseReason: CustomStringConvertible {
  /// A few words, to follow "closed: ".
  public var description: String {
    switch self {
    case .finished: "finished"
    case .aborted: "broken off by this side"
    case .idle: "idle"
    case .fellBehind: "the peer doesn't keep up"
    case .dropped: "nobody uses it any more"
    case .failed(let error): "\(error)"
    case .shutDown: "the server is stopping"
    case .lost(let reason): reason.words
    }
  }
}
