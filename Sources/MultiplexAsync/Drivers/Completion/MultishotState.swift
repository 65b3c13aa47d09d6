/// The state of an operation that goes on by itself until it is cancelled or ends.
enum MultishotState {
  case idle
  case running
  /// It was cancelled for the time being, and its last completion is still to come.
  case pausing

  /// Whether a completion is still to come.
  var isActive: Bool { self != .idle }

  /// Begins to pause.
  ///
  /// - Returns: Whether the operation has to be cancelled: false if it isn't running, or is pausing already.
  mutating func pause() -> Bool {
    guard self == .running else { return false }
    self = .pausing
    return true
  }

  /// Notes a completion.
  ///
  /// - Parameter hasMore: Whether another one follows.
  mutating func complete(hasMore: Bool) {
    if !hasMore { self = .idle }
  }
}
