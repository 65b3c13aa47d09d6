public import SystemPackage

extension Multiplexer {
  /// The events of one wait: see ``Poller/Events``.
  public struct Events: Sequence {
    @usableFromInline let multiplexer: Multiplexer
    @usableFromInline let events: Poller.Events

    @usableFromInline
    init(multiplexer: Multiplexer, events: Poller.Events) {
      self.multiplexer = multiplexer
      self.events = events
    }

    /// Whether ``Waker/wake()`` has been called since the previous wait.
    @inlinable
    public var wasWoken: Bool { events.wasWoken }

    /// Whether there are no events, or none is still due.
    @inlinable
    public var isEmpty: Bool { events.isEmpty }

    /// Returns an iterator over the events that are still due.
    @inlinable
    public func makeIterator() -> Iterator {
      Iterator(multiplexer: multiplexer, events: events.makeIterator())
    }

    /// An iterator over the events of one wait.
    public struct Iterator: IteratorProtocol {
      @usableFromInline let multiplexer: Multiplexer
      @usableFromInline var events: Poller.Events.Iterator

      @usableFromInline
      init(multiplexer: Multiplexer, events: Poller.Events.Iterator) {
        self.multiplexer = multiplexer
        self.events = events
      }

      /// Returns the next event that is still due; nil after the last.
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
