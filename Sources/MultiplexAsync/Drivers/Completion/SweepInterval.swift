/// When to look for closed descriptors: the search takes time in proportion to all that are watched, so once a second.
struct SweepInterval {
  private static let length = Duration.seconds(1)

  private var last: ContinuousClock.Instant?

  /// Returns whether the last time is long enough ago. If so, this call counts as the last time.
  mutating func isDue() -> Bool {
    let now = ContinuousClock.now
    if let last, now - last < Self.length { return false }
    last = now
    return true
  }
}
