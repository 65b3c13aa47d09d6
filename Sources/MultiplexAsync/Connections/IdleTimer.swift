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
  /// How many bytes the peer had yet to take when the time was up before, if nothing has moved on this side since then.
  private var lastOutstanding: Int?
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
    lastOutstanding = nil
  }

  func stop() {
    if let timer { loop.cancel(timer) }
    timer = nil
  }

  private func arm() {
    timer = loop.schedule(at: lastActivity + limit) { [weak self] in self?.check() }
  }

  private func check() {
    if lastActivity + limit <= .now {
      guard peerMayBeTaking() else { return onIdle() }
      lastActivity = .now
    }
    arm()
  }

  /// Whether there is something for the peer to take, of which there is less by now, or which is looked at for the first
  /// time.
  private func peerMayBeTaking() -> Bool {
    let left = outstanding()
    guard left > 0, left < lastOutstanding ?? .max else { return false }
    lastOutstanding = left
    return true
  }
}
