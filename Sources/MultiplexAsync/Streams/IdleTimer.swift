/// Closes a connection on which nothing moves. Belongs to the thread of its event loop.
///
/// A message costs it a look at the clock: the timer that is set goes off in vain, and is set anew for what is left.
final class IdleTimer {
  private let limit: Duration
  private unowned let loop: EventLoop
  private let onIdle: () -> Void
  private var lastActivity = ContinuousClock.now
  private var timer: Timer?

  init(limit: Duration, on loop: EventLoop, onIdle: @escaping () -> Void) {
    self.limit = limit
    self.loop = loop
    self.onIdle = onIdle
    arm()
  }

  func touch() {
    lastActivity = .now
  }

  func stop() {
    if let timer { loop.cancel(timer) }
    timer = nil
  }

  private func arm() {
    timer = loop.schedule(at: lastActivity + limit) { [weak self] in self?.check() }
  }

  private func check() {
    if lastActivity + limit <= .now { onIdle() } else { arm() }
  }
}
