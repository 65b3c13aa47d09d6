extension Multiplexer {
  /// A live, read-only view of what is registered.
  public struct Registrations: Sequence {
    @usableFromInline let multiplexer: Multiplexer

    @usableFromInline
    init(multiplexer: Multiplexer) {
      self.multiplexer = multiplexer
    }

    /// How many descriptors are registered.
    @inlinable
    public var count: Int { multiplexer.table.count }

    /// Whether no descriptor is registered.
    @inlinable
    public var isEmpty: Bool { count == 0 }

    /// Returns an iterator over the current registrations, in no particular order; they may change during the
    /// iteration.
    @inlinable
    public func makeIterator() -> some IteratorProtocol<Registration> {
      multiplexer.table.values.makeIterator()
    }
  }
}

extension Multiplexer.Registrations where Attachment: Equatable {
  /// Returns the registrations with an attachment, found by a linear search.
  @inlinable
  public func attached(to attachment: Attachment) -> [Multiplexer.Registration] {
    filter { $0.attachment == attachment }
  }
}
