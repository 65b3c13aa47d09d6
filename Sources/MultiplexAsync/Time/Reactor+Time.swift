internal import Multiplex

extension Reactor {
  /// Suspends the calling task until a moment. Sleeps that end at the same moment end in the order they began.
  ///
  /// - Throws: `CancellationError`, at once when the task is cancelled.
  public func sleep(until deadline: ContinuousClock.Instant) async throws {
    try await outcome { loop, done in TimerWait(until: deadline, on: loop) { done(()) } }
  }

  /// Suspends the calling task for a time: never shorter, but longer where the reactor is busy.
  ///
  /// - Throws: `CancellationError`, at once when the task is cancelled.
  public func sleep(for duration: Duration) async throws {
    try await sleep(until: .now + duration)
  }
}

extension Reactor {
  /// Suspends the calling task until I/O has had its turn: after `Task.yield()` it may run several times before that.
  func nextTurn() async {
    await Waiter<Void>.suspend { waiter in
      onLoop { [loop] in loop.performAfterNextWait { waiter.resume(returning: ()) } }
    }
  }
}
