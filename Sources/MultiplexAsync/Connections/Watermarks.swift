/// When writes wait for a slow peer.
public struct Watermarks: Hashable, Sendable {
  /// Writes go on once the queue holds no more than this, in bytes.
  public let low: Int
  /// Writes wait once the queue holds more than this, in bytes.
  public let high: Int

  /// Sets both; by default a quarter of a mebibyte may wait.
  ///
  /// - Parameters:
  ///   - low: At least 0; taken as `high` if it is more.
  ///   - high: At least 0: every write that can't be sent at once waits.
  public init(low: Int = 64 * 1024, high: Int = 256 * 1024) {
    self.high = max(0, high)
    self.low = min(max(0, low), self.high)
  }
}
