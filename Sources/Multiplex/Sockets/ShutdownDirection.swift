internal import CMultiplex

/// Which direction of a socket to shut down.
public enum ShutdownDirection: Hashable, Sendable {
  /// Nothing more is read.
  case reading
  /// Nothing more is sent: the peer reads the end of input after the bytes that were sent before.
  case writing
  /// Both.
  case both

  package var rawValue: Int32 {
    switch self {
    case .reading: Int32(SHUT_RD)
    case .writing: Int32(SHUT_WR)
    case .both: Int32(SHUT_RDWR)
    }
  }
}
