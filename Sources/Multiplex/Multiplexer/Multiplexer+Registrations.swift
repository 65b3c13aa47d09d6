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

    /// Visits the registrations of this moment, in no particular order; they may change meanwhile.
    @inlinable
    public func makeIterator() -> some IteratorProtocol<Registration> {
      multiplexer.table.values.makeIterator()
    }
  }
}

extension Multiplexer.Registrations where Attachment: Equatable {
  /// The registrations that an attachment is kept with, found by looking at all of them.
  @inlinable
  public func attached(to attachment: Attachment) -> [Multiplexer.Registration] {
    filter { $0.attachment == attachment }
  }
}
