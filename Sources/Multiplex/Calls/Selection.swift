/// What ``select(reading:writing:exceptional:timeout:)`` found ready.
public struct Selection<Reading, Writing, Exceptional> {
  /// The elements from which a read doesn't block.
  public let reading: [Reading]
  /// The elements to which a write doesn't block.
  public let writing: [Writing]
  /// The elements to which something exceptional has happened.
  public let exceptional: [Exceptional]

  /// Whether nothing is ready because the time was up.
  public var isEmpty: Bool { reading.isEmpty && writing.isEmpty && exceptional.isEmpty }
}

extension Selection: Sendable where Reading: Sendable, Writing: Sendable, Exceptional: Sendable {}
