public import SystemPackage

extension Poller {
  /// A registered descriptor that is ready.
  public struct Event: Hashable, Sendable {
    /// The descriptor.
    public let descriptor: FileDescriptor
    /// The number that it was registered with.
    public let token: UInt64
    /// What it is ready for; never empty.
    public let readiness: Readiness

    /// Whether a read returns at once: with bytes, the end of input, or an error.
    public var isReadable: Bool { readiness.isReadable }

    /// Whether a write returns at once: with bytes taken, or an error.
    public var isWritable: Bool { readiness.isWritable }
  }

  /// What one wait has found: a descriptor occurs once, with everything it is ready for.
  ///
  /// The events are looked up while they are visited, so that handling one may unregister others: an event that was
  /// pending for them is then left out, even if the same number was registered anew. The batch is valid until the
  /// next wait, and empty afterwards.
  public struct Events: Sequence {
    let poller: Poller
    let turn: UInt64
    let findings: ContiguousArray<Registry.Finding>
    /// Whether ``Waker/wake()`` was called since the wait before.
    public let wasWoken: Bool

    /// Whether there is no event, or none is left.
    public var isEmpty: Bool { first { _ in true } == nil }

    /// Visits the events that are still due.
    public func makeIterator() -> Iterator {
      Iterator(poller: poller, turn: turn, findings: findings)
    }

    /// Goes through the events of one wait.
    public struct Iterator: IteratorProtocol {
      let poller: Poller
      let turn: UInt64
      let findings: ContiguousArray<Registry.Finding>
      var index = 0

      /// The next event whose descriptor is registered as it was when the event was found.
      public mutating func next() -> Event? {
        guard turn == poller.turn else { return nil }
        while index < findings.count {
          let finding = findings[index]
          index += 1
          let readiness = poller.hasChanges ? poller.dueReadiness(finding) : finding.readiness
          guard !readiness.isEmpty else { continue }
          let descriptor = FileDescriptor(rawValue: finding.key.descriptor)
          return Event(descriptor: descriptor, token: finding.token, readiness: readiness)
        }
        return nil
      }
    }
  }
}
