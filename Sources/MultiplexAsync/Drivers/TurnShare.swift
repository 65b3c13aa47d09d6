/// How often something may be done in one turn of the loop before it yields to other work.
///
/// Small, as each connection has one.
struct TurnShare {
  /// The turn that was counted last, without its upper half: the next turn with the same lower half is far away.
  private var turn: UInt32 = 0
  private var count: UInt16 = 0
  var limit: UInt16

  init(_ limit: UInt16) {
    self.limit = limit
  }

  /// Counts one use.
  ///
  /// - Returns: False if the share of this turn is used up.
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
