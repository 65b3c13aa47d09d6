internal import Synchronization

/// Cancels a task at a deadline. Cheaper than a second task that sleeps.
final class Expiry: @unchecked Sendable {
  private let reactor: Reactor
  private let happened = Atomic<Bool>(false)
  /// Belongs to the reactor's thread.
  private var timer: Timer?

  init(of task: Task<Void, any Error>, at deadline: ContinuousClock.Instant, on reactor: Reactor) {
    self.reactor = reactor
    reactor.onLoop { [self] in
      timer = reactor.loop.schedule(at: deadline) { [self] in expire(task) }
    }
  }

  /// Whether it has cancelled the task. A task that was already cancelled otherwise hasn't run out of time.
  var hasHappened: Bool { happened.load(ordering: .relaxed) }

  private func expire(_ task: Task<Void, any Error>) {
    if !task.isCancelled { happened.store(true, ordering: .relaxed) }
    task.cancel()
  }

  func cancel() {
    reactor.onLoop { [self] in
      if let timer { reactor.loop.cancel(timer) }
      timer = nil
    }
  }
}
