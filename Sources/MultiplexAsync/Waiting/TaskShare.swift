/// Counts operations done without a wait, and says when to yield: a task that never waits would keep all others from
/// running.
///
/// Small, as each connection has one.
struct TaskShare {
  /// How many operations are done without a wait before the task yields.
  private static let limit: UInt8 = 64

  private var count: UInt8 = 0

  /// Counts an operation done without a wait.
  ///
  /// - Returns: Whether the share is used up now, and the task has to yield.
  @inline(__always)
  mutating func spend() -> Bool {
    count += 1
    guard count == Self.limit else { return false }
    count = 0
    return true
  }

  /// Counts from zero again, as the task waits: others run meanwhile.
  mutating func reset() {
    count = 0
  }
}
