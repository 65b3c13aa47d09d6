/// When writes wait for a slow peer.
public struct Watermarks: Hashable, Sendable {
  /// Writes continue once the queue holds no more than this, in bytes.
  public let low: Int
  /// Writes wait once the queue holds more than this, in bytes.
  public let high: Int

  /// Sets both; by default up to 256 KiB may be queued before writes wait.
  ///
  /// - Parameters:
  ///   - low: At least 0; lowered to `high` if it is larger.
  ///   - high: At least 0, which makes every write wait that can't be sent at once.
  public init(low: Int = 64 * 1024, high: Int = 256 * 1024) {
    self.high = max(0, high)
    self.low = min(max(0, low), self.high)
  }
}
