/// One sleep of a task. Belongs to the thread of its event loop.
final class Sleep: @unchecked Sendable {
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
