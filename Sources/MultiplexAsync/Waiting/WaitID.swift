/// Names one wait, so that a late cancellation doesn't end another.
struct WaitID: Hashable, Sendable {
  fileprivate let number: UInt64

  /// The wait of the task that serves a connection, which has one at a time.
  static var owner: WaitID { WaitID(number: 0) }
}

/// Makes names, each only once.
struct WaitIDs {
  private var last: UInt64 = 0

  mutating func next() -> WaitID {
    last += 1
    return WaitID(number: last)
  }
}
