internal import Synchronization

/// Lets something happen once in a while at most, from any thread.
package final class RateLimit: Sendable {
  private let interval: Duration
  private let next = Mutex(ContinuousClock.now)

  package init(every interval: Duration) {
    self.interval = interval
  }

  /// Whether it may happen now.
  package func allows() -> Bool {
    next.withLock { next in
      let now = ContinuousClock.now
      guard now >= next else { return false }
      next = now + interval
      return true
    }
  }
}
