internal import Synchronization

/// Allows something at most once per interval, from any thread.
package final class RateLimit: Sendable {
  private let interval: Duration
  private let next = Mutex(ContinuousClock.now)

  package init(every interval: Duration) {
    self.interval = interval
  }

  /// Whether it is allowed now.
  package func allows() -> Bool {
    next.withLock { next in
      let now = ContinuousClock.now
      guard now >= next else { return false }
      next = now + interval
      return true
    }
  }
}
