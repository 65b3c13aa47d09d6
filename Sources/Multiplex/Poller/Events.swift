extension Poller {
  /// What one wait has found: a descriptor occurs once, with everything it is ready for.
  ///
  /// The events are looked up while they are visited, so that handling one may unregister others: an event that was
  /// pending for them is then left out, even if the same number was registered anew. The batch is valid until the
  /// next wait, and empty afterwards.
  ///
  /// It is inlinable, so that a visit costs a loop over an array.
  public struct Events: Sequence {
    @usableFromInline let poller: Poller
    @usableFromInline let turn: UInt64
    /// Whether ``Waker/wake()`` was called since the wait before.
    public let wasWoken: Bool

    /// Whether there is no event, or none is left.
    @inlinable
    public var isEmpty: Bool {
      var rest = makeIterator()
      return rest.next() == nil
    }

    /// Visits the events that are still due.
    @inlinable
    public func makeIterator() -> Iterator {
      Iterator(poller: poller, turn: turn)
    }

    /// Goes through the events of one wait.
    public struct Iterator: IteratorProtocol {
      @usableFromInline let poller: Poller
      @usableFromInline let turn: UInt64
      @usableFromInline var index = 0

      @usableFromInline
      init(poller: Poller, turn: UInt64) {
        self.poller = poller
        self.turn = turn
      }

      /// The next event whose descriptor is registered as it was when the event was found.
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
