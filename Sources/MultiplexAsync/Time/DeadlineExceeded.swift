/// An error that says that an operation exceeded its deadline.
public struct DeadlineExceeded: Error, Hashable, Sendable, CustomStringConvertible {
  /// Makes the error, for time limits of your own.
  public init() {}

  /// A short description.
  public var description: String { "the deadline was exceeded" }
}
