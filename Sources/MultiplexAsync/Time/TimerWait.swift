/// A wait for a moment. Belongs to the thread of its event loop.
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
