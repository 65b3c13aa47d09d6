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

/// One sleep of a task. Belongs to the thread of its event loop.
private final class Sleep: @unchecked Sendable {
  private var timer: Timer?
  private var waiter: Waiter<Bool>?

  func begin(
    until deadline: ContinuousClock.Instant, on loop: EventLoop, _ waiter: Waiter<Bool>,
    isCancelled: Bool
  ) {
    guard !isCancelled else { return waiter.resume(returning: false) }
    self.waiter = waiter
    timer = loop.schedule(at: deadline) { self.end(true) }
  }

  func cancel(on loop: EventLoop) {
    if let timer { loop.cancel(timer) }
    end(false)
  }

  private func end(_ isOver: Bool) {
    timer = nil
    let waiter = self.waiter
    self.waiter = nil
    waiter?.resume(returning: isOver)
  }
}
