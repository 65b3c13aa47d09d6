/// An operation took longer than it was given.
public struct DeadlineExceeded: Error, Hashable, Sendable, CustomStringConvertible {
  /// Says that.
  public var description: String { "the deadline was exceeded" }
}
