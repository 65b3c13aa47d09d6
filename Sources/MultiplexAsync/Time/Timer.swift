/// Something to be done at a time. Belongs to the thread of its event loop.
final class Timer {
  let deadline: ContinuousClock.Instant
  /// Grows with each timer, so that those with one deadline fire in the order in which they were set.
  let sequence: UInt64
  let action: () -> Void
  /// Where the timer is in its heap; nil when it has fired or was cancelled.
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
