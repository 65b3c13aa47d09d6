internal import Synchronization

/// Cancels a task at a deadline. Cheaper than a second task that sleeps.
final class Expiry: @unchecked Sendable {
  private let reactor: Reactor
  private let happened: Atomic<Bool>
  /// Belongs to the reactor's thread.
  private var timer: Timer?

  init(on reactor: Reactor, hasHappened: Bool) {
    self.reactor = reactor
    happened = Atomic(hasHappened)
  }

  /// Whether the deadline has cancelled the task. A task that was already cancelled otherwise hasn't run out of time.
  var hasHappened: Bool { happened.load(ordering: .relaxed) }

  func schedule(at deadline: ContinuousClock.Instant, for task: Task<Void, any Error>) {
    reactor.onLoop { [self] in
      timer = reactor.loop.schedule(at: deadline) { [self] in expire(task) }
    }
  }

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
