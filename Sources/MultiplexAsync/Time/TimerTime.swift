/// The time that timers go by: everything that had happened by then has been handled. So no timer fires before what it is
/// a deadline for, if that was in time, however long jobs have kept the loop from looking.
///
/// A turn reports a limited number of events, those that have waited longest first. The time stands still as long as
/// there are more, but for no more turns than it takes to report all that had happened before: otherwise those that keep
/// coming would stop it.
struct TimerTime {
  /// Timers due by then fire.
  private(set) var now = ContinuousClock.now
  /// A later time, and how many turns it takes until everything that had happened by then is handled.
  private var next: (time: ContinuousClock.Instant, turns: Int)?

  /// Notes the end of a turn.
  ///
  /// - Parameter turnsBehind: The driver's: see ``Driver/turnsBehind``.
  mutating func turnEnded(turnsBehind: Int) {
    guard turnsBehind > 0 else {
      next = nil
      now = .now
      return
    }
    if let next, next.turns > 1 {
      self.next = (next.time, next.turns - 1)
      return
    }
    if let next { now = next.time }
    next = (.now, turnsBehind)
  }
}
