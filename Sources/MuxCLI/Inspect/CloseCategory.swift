import MultiplexAsync

/// The kinds of reasons for closing a connection, without details.
enum CloseCategory: String, CaseIterable {
  case finished, aborted, idle, fellBehind, dropped, failed, shutDown, lost

  init(_ reason: CloseReason) {
    self =
      switch reason {
      case .finished: .finished
      case .aborted: .aborted
      case .idle: .idle
      case .fellBehind: .fellBehind
      case .dropped: .dropped
      case .failed: .failed
      case .shutDown: .shutDown
      case .lost: .lost
      }
  }
}
