/// An observer, and what it wants to be told, which it is asked once.
///
/// An object, so that a connection that nobody observes finds that out by a look at a pointer.
final class Subscription: Sendable {
  let observer: any ReactorObserver
  let events: ReactorEvents

  init(_ observer: any ReactorObserver) {
    self.observer = observer
    events = observer.events
  }
}
