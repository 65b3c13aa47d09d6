/// How often something may be done in a turn of the loop, before it yields to other work.
///
/// Small, as each connection has one.
struct TurnShare {
  /// The turn that was counted last, without its upper half: one that looks the same is far away.
  private var turn: UInt32 = 0
  private var count: UInt16 = 0
  var limit: UInt16

  init(_ limit: UInt16) {
    self.limit = limit
  }

  /// - Returns: False if it has been done often enough.
  mutating func take(in turn: UInt64) -> Bool {
    let turn = UInt32(truncatingIfNeeded: turn)
    if self.turn != turn {
      self.turn = turn
      count = 0
    }
    guard count < limit else { return false }
    count += 1
    return true
  }
}
