/// The time that timers go by: everything that had happened by then has been handled. So no timer fires before what it
/// is a deadline for, if that was in time, however long jobs have kept the loop from looking.
///
/// A wait finds a limited number of events, those that have waited longest first. The time stands still as long as there
/// may be more, but for no more waits than it takes to find all that had happened before: otherwise those that keep
/// coming would stop it.
struct TimerTime {
  /// Timers due by then fire.
  private(set) var now = ContinuousClock.now
  /// A later time, and how many waits it takes until everything that had happened by then is found.
  private var next: (time: ContinuousClock.Instant, waits: Int)?

  /// Notes a wait whose events have been handled.
  ///
  /// - Parameters:
  ///   - time: When the wait ended.
  ///   - waitsBehind: The driver's: see ``Driver/waitsBehind``.
  mutating func waitEnded(at time: ContinuousClock.Instant, waitsBehind: Int) {
    guard waitsBehind > 0 else {
      next = nil
      now = time
      return
    }
    guard let next else { return self.next = (time, waitsBehind) }
    if next.waits > 1 {
      self.next = (next.time, next.waits - 1)
    } else {
      now = next.time
      self.next = (time, waitsBehind)
    }
  }
}
