public import SystemPackage

extension Multiplexer {
  /// What one wait has found: see ``Poller/Events``.
  public struct Events: Sequence {
    @usableFromInline let multiplexer: Multiplexer
    @usableFromInline let events: Poller.Events

    @usableFromInline
    init(multiplexer: Multiplexer, events: Poller.Events) {
      self.multiplexer = multiplexer
      self.events = events
    }

    /// Whether ``Waker/wake()`` was called since the wait before.
    @inlinable
    public var wasWoken: Bool { events.wasWoken }

    /// Whether there is no event, or none is left.
    @inlinable
    public var isEmpty: Bool { events.isEmpty }

    /// Visits the events that are still due.
    @inlinable
    public func makeIterator() -> Iterator {
      Iterator(multiplexer: multiplexer, events: events.makeIterator())
    }

    /// Goes through the events of one wait.
    public struct Iterator: IteratorProtocol {
      @usableFromInline let multiplexer: Multiplexer
      @usableFromInline var events: Poller.Events.Iterator

      @usableFromInline
      init(multiplexer: Multiplexer, events: Poller.Events.Iterator) {
        self.multiplexer = multiplexer
        self.events = events
      }

      /// The next event whose descriptor is registered as it was when the event was found.
      @inlinable
      public mutating func next() -> Event? {
        while let event = events.next() {
          guard let registration = multiplexer.table[event.descriptor.rawValue] else { continue }
          return Event(registration: registration, readiness: event.readiness)
        }
        return nil
      }
    }
  }
}
