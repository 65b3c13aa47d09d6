import Multiplex
import MultiplexAsync
import Synchronization

/// Says that nothing can be accepted, once in a while for as long as that lasts.
final class AcceptComplaints: ReactorObserver {
  private static let interval = Duration.seconds(10)

  let events: ReactorEvents = .listeners
  private let nextAt = Mutex(ContinuousClock.now)

  func acceptFailed(_ listener: ObservedListener, _ error: MultiplexError) {
    let isDue = nextAt.withLock { nextAt in
      let now = ContinuousClock.now
      guard now >= nextAt else { return false }
      nextAt = now + Self.interval
      return true
    }
    if isDue { Console.complain("\(error); accepting again when there is room") }
  }
}
