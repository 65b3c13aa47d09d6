/// Names one wait, so that a late cancellation doesn't end another.
struct WaitID: Hashable, Sendable {
  let number: UInt64

  /// The wait of the task that serves a connection, which has one at a time.
  static var owner: WaitID { WaitID(number: 0) }
}
