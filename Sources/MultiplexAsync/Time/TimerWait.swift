/// A wait for a deadline. Belongs to its event loop's thread.
final class TimerWait: CancellableWait {
  private let timer: Timer
  private unowned let loop: EventLoop

  init(until deadline: ContinuousClock.Instant, on loop: EventLoop, _ body: @escaping () -> Void) {
    self.loop = loop
    timer = loop.schedule(at: deadline, body)
  }

  func cancel() {
    loop.cancel(timer)
  }
}
