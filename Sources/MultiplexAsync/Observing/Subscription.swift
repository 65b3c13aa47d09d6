/// An observer, and what it wants to be told, which it is asked once.
struct Subscription: Sendable {
  let observer: any ReactorObserver
  let events: ReactorEvents

  init(_ observer: any ReactorObserver) {
    self.observer = observer
    events = observer.events
  }
}
