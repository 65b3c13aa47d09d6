internal import SystemPackage

extension Deadline {
  private static let retryInterval = Duration.milliseconds(2)

  /// Makes a system call that waits, and repeats it with the time left whenever a signal interrupts it.
  ///
  /// - Parameter body: Waits for the given time; nil is without limit.
  @inline(__always)
  func resuming<Result>(_ body: (Duration?) throws(Errno) -> Result) throws(Errno) -> Result {
    while true {
      do {
        return try body(remaining)
      } catch .interrupted {
        continue
      }
    }
  }

  /// Sleeps briefly before another attempt, where nothing signals when to retry.
  ///
  /// - Returns: Whether there was time left.
  func pause() -> Bool {
    let remaining = remaining ?? Self.retryInterval
    guard remaining > .zero else { return false }
    Kernel.sleep(for: min(remaining, Self.retryInterval))
    return true
  }
}
