/// An action to run at a deadline. Belongs to its event loop's thread.
final class Timer {
  let deadline: ContinuousClock.Instant
  /// Increases with each timer, so that those with the same deadline fire in the order in which they were set.
  let sequence: UInt64
  let action: () -> Void
  /// The timer's index in its heap; nil when it has fired or was cancelled.
  var position: Int?

  init(deadline: ContinuousClock.Instant, sequence: UInt64, action: @escaping () -> Void) {
    self.deadline = deadline
    self.sequence = sequence
    self.action = action
  }

  func isDue(before other: Timer) -> Bool {
    deadline == other.deadline ? sequence < other.sequence : deadline < other.deadline
  }
}
