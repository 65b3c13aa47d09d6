public import SystemPackage

extension Poller {
  /// A registered descriptor that is ready.
  public struct Event: Hashable, Sendable {
    /// The descriptor.
    public let descriptor: FileDescriptor
    /// The token that it was registered with.
    public let token: UInt64
    /// What it is ready for; never empty.
    public let readiness: Readiness

    /// Whether a read returns at once, with bytes, the end of input, or an error.
    @inlinable public var isReadable: Bool { readiness.isReadable }

    /// Whether a write returns at once, with bytes written or an error.
    @inlinable public var isWritable: Bool { readiness.isWritable }
  }
}
