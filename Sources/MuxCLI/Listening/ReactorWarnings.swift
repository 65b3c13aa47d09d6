import Multiplex
import MultiplexAsync

/// Warns that a reactor can't accept connections, or can't wait, once in a while for as long as that lasts.
final class ReactorWarnings: ReactorObserver {
  let events: ReactorEvents = [.listeners, .failures]
  private let acceptWarning = RateLimitedWarning()
  private let waitWarning = RateLimitedWarning()

  func acceptFailed(_ listener: ObservedListener, because error: MultiplexError) {
    acceptWarning.warn { _ in
      // The reader knows the address, but not the descriptor.
      let address = listener.localAddress.argument
      return "can't accept connections at \(address): \(error.explanation); retrying until resources are free"
    }
  }

  func waitFailed(because error: MultiplexError) {
    waitWarning.warn { _ in "can't wait for connections: \(error); retrying" }
  }
}
