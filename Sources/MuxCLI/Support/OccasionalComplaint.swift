import Synchronization

/// A complaint about something that lasts: made at once, and then once in a while.
final class OccasionalComplaint: Sendable {
  private static let interval = Duration.seconds(10)

  private let nextAt = Mutex(ContinuousClock.now)

  func make(_ text: @autoclosure () -> String) {
    let isDue = nextAt.withLock { nextAt in
      let now = ContinuousClock.now
      guard now >= nextAt else { return false }
      nextAt = now + Self.interval
      return true
    }
    if isDue { Console.complain(text()) }
  }
}
