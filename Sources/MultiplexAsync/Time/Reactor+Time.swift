internal import Multiplex

extension Reactor {
  /// A clock that sleeps on this reactor.
  public var clock: ReactorClock { ReactorClock(on: self) }

  /// Suspends the calling task until a deadline. Sleeps with the same deadline end in the order in which they began.
  ///
  /// - Throws: `CancellationError`, immediately if the task is cancelled.
  public func sleep(until deadline: ContinuousClock.Instant) async throws {
    try await outcome { loop, done in TimerWait(until: deadline, on: loop) { done(()) } }
  }

  /// Suspends the calling task for at least the given duration, longer if the reactor is busy.
  ///
  /// - Throws: `CancellationError`, immediately if the task is cancelled.
  public func sleep(for duration: Duration) async throws {
    try await sleep(until: .now + duration)
  }
}
