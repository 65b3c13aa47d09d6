internal import Multiplex

/// An observer, and the events that it wants, which it is asked for once.
///
/// An object, so that a connection without an observer finds that out by checking a pointer.
final class Subscription: Sendable {
  let observer: any ReactorObserver
  let events: ReactorEvents

  init(_ observer: any ReactorObserver) {
    self.observer = observer
    events = observer.events
  }

  func connectFailed(to address: SocketAddress, because error: ConnectionError) {
    if events.contains(.connections) { observer.connectFailed(to: address, because: error) }
  }

  func waitFailed(because error: MultiplexError) {
    if events.contains(.failures) { observer.waitFailed(because: error) }
  }
}
