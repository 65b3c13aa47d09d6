/// Closes a connection on which nothing moves. Belongs to its event loop's thread.
///
/// A message only costs a look at the clock: the timer fires regardless, and is set again for the remaining time. There
/// is no event for bytes that leave the kernel's queue; whether there are fewer of them is checked when the time is up.
final class IdleTimer {
  private let limit: Duration
  private unowned let loop: EventLoop
  private let untaken: () -> Int
  private let onIdle: () -> Void
  private var lastActivity = ContinuousClock.now
  /// How many bytes the peer had yet to take at the last check, if nothing has moved on this side since.
  private var lastUntaken: Int?
  private var timer: Timer?

  /// - Parameter untaken: Returns how many bytes the peer has yet to take, in the kernel's queue and before it.
  init(limit: Duration, on loop: EventLoop, untaken: @escaping () -> Int, onIdle: @escaping () -> Void) {
    self.limit = limit
    self.loop = loop
    self.untaken = untaken
    self.onIdle = onIdle
    arm()
  }

  func touch() {
    lastActivity = .now
    lastUntaken = nil
  }

  func stop() {
    if let timer { loop.cancel(timer) }
    timer = nil
  }

  private func arm() {
    timer = loop.schedule(at: lastActivity + limit) { [weak self] in self?.check() }
  }

  private func check() {
    if lastActivity + limit <= loop.timerNow {
      guard peerMayBeTaking() else { return onIdle() }
      lastActivity = .now
    }
    arm()
  }

  /// Whether the peer has bytes to take, and either fewer than at the last check or this is the first check.
  private func peerMayBeTaking() -> Bool {
    let left = untaken()
    guard left > 0, left < lastUntaken ?? .max else { return false }
    lastUntaken = left
    return true
  }
}
