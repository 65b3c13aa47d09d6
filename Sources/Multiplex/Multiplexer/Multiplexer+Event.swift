extension Multiplexer {
  /// A registered descriptor that is ready.
  public struct Event {
    /// The descriptor and its attachment.
    public let registration: Registration
    /// What it is ready for; never empty.
    public let readiness: Readiness

    @usableFromInline
    init(registration: Registration, readiness: Readiness) {
      self.registration = registration
      self.readiness = readiness
    }

    /// Whether a read returns at once, with bytes, the end of input, or an error.
    @inlinable
    public var isReadable: Bool { readiness.isReadable }

    /// Whether a write returns at once, with bytes written or an error.
    @inlinable
    public var isWritable: Bool { readiness.isWritable }
  }
}
