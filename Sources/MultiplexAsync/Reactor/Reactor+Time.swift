internal import Multiplex

extension Reactor {
  /// Suspends the calling task until a moment. Sleeps that end at the same moment end in the order they began.
  ///
  /// - Throws: `CancellationError`, at once when the task is cancelled.
  public func sleep(until deadline: ContinuousClock.Instant) async throws {
    let sleep = Sleep()
    let isOver = await run {
      await withTaskCancellationHandler {
        await Waiter.suspend { waiter in
          sleep.begin(until: deadline, on: self.loop, waiter, isCancelled: Task.isCancelled)
        }
      } onCancel: {
        self.loop.add(.call { sleep.cancel(on: self.loop) })
      }
    }
    guard isOver else { throw CancellationError() }
  }

  /// Suspends the calling task for a time: never shorter, but longer where the reactor is busy.
  ///
  /// - Throws: `CancellationError`, at once when the task is cancelled.
  public func sleep(for duration: Duration) async throws {
    try await sleep(until: .now + duration)
  }
}

extension Reactor {
  /// Suspends the calling task until I/O has had its turn: `Task.yield()` lets a few hundred
  /// jobs run before that, be they all of one task.
  func nextTurn() async {
    await Waiter<Void>.suspend { waiter in
      onLoop { [loop] in _ = loop.schedule(at: .now) { waiter.resume(returning: ()) } }
    }
  }
}
