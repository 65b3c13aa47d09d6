/// How often something may be done in a turn of the loop, before others have their turn.
struct TurnShare {
  private let limit: Int
  /// The turn that was counted last.
  private var turn: UInt64 = 0
  private var count = 0

  init(_ limit: Int) {
    self.limit = limit
  }

  /// - Returns: False if it has been done often enough.
  mutating func take(in turn: UInt64) -> Bool {
    if self.turn != turn {
      self.turn = turn
      count = 0
    }
    count += 1
    return count <= limit
  }
}
