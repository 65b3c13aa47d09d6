/// An operation took longer than it was given.
public struct DeadlineExceeded: Error, Hashable, Sendable, CustomStringConvertible {
  /// For limits of one's own.
  public init() {}

  /// Says that.
  public var description: String { "the deadline was exceeded" }
}
