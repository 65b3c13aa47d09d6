extension Poller {
  /// The events of one wait: each descriptor occurs once, with everything that it is ready for.
  ///
  /// The registrations are looked up during the iteration, so handling one event may unregister other descriptors:
  /// their pending events are then skipped, even if the same number was registered again. The batch is valid until the
  /// next wait, and empty afterwards.
  ///
  /// It is inlinable, so that an iteration costs as much as one over an array.
  public struct Events: Sequence {
    @usableFromInline let poller: Poller
    @usableFromInline let turn: UInt64
    /// Whether ``Waker/wake()`` has been called since the previous wait.
    public let wasWoken: Bool

    /// Whether there are no events, or none is still due.
    @inlinable
    public var isEmpty: Bool {
      var iterator = makeIterator()
      return iterator.next() == nil
    }

    /// Returns an iterator over the events that are still due.
    @inlinable
    public func makeIterator() -> Iterator {
      Iterator(poller: poller, turn: turn)
    }

    /// An iterator over the events of one wait.
    public struct Iterator: IteratorProtocol {
      @usableFromInline let poller: Poller
      @usableFromInline let turn: UInt64
      @usableFromInline var index = 0

      @usableFromInline
      init(poller: Poller, turn: UInt64) {
        self.poller = poller
        self.turn = turn
      }

      /// Returns the next event that is still due; nil after the last.
      @inlinable
      public mutating func next() -> Event? {
        guard turn == poller.turn else { return nil }
        while index < poller.registry.findings.count {
          let finding = poller.registry.findings[index]
          index += 1
          guard poller.hasChanges else { return finding.event }
          if let event = poller.due(finding) { return event }
        }
        return nil
      }
    }
  }
}
