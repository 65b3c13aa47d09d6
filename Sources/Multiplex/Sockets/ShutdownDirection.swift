internal import CMultiplex

/// Which side of a socket's two directions to end.
public enum ShutdownDirection: Hashable, Sendable {
  /// Nothing more is read.
  case reading
  /// Nothing more is sent: the peer reads the end of input once it has what was sent before.
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
