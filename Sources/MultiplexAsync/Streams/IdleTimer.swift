/// Closes a connection on which nothing moves. Belongs to the thread of its event loop.
///
/// A message costs it a look at the clock: the timer that is set goes off in vain, and is set anew for what is left. Bytes
/// that were handed to the kernel leave it without a word; whether there are fewer of them is asked when the time is up.
final class IdleTimer {
  private let limit: Duration
  private unowned let loop: EventLoop
  private let outstanding: () -> Int
  private let onIdle: () -> Void
  private var lastActivity = ContinuousClock.now
  /// How many bytes the peer had yet to take when the timer was set.
  private var lastOutstanding = 0
  private var timer: Timer?

  /// - Parameter outstanding: How many bytes the peer has yet to take, in the kernel's queue and before it.
  init(limit: Duration, on loop: EventLoop, outstanding: @escaping () -> Int, onIdle: @escaping () -> Void) {
    self.limit = limit
    self.loop = loop
    self.outstanding = outstanding
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
    lastOutstanding = outstanding()
    timer = loop.schedule(at: lastActivity + limit) { [weak self] in self?.check() }
  }

  private func check() {
    if lastActivity + limit <= .now {
      guard outstanding() < lastOutstanding else { return onIdle() }
      touch()
    }
    arm()
  }
}
