import Multiplex
import MultiplexAsync

/// Warns that connections can't be accepted, once in a while for as long as that lasts.
final class AcceptWarnings: ReactorObserver {
  let events: ReactorEvents = .listeners
  private let warning = RateLimitedWarning()

  func acceptFailed(_ listener: ObservedListener, because error: MultiplexError) {
    warning.warn { _ in "\(error); retrying until resources are free" }
  }
}
