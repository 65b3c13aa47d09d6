internal import CMultiplex

/// Conversions of durations to the units of system calls.
package enum Timeout {
  /// Longer durations can't be split into components: they have more seconds than an `Int64` can hold.
  private static let longest = Duration.seconds(Int64.max)

  private static let nanosecond: Int64 = 1_000_000_000  // in attoseconds
  private static let millisecond: Int64 = 1_000_000_000_000_000  // in attoseconds

  /// Converts to the C type: see `nanoseconds`.
  static func timespec(_ duration: Duration) -> timespec {
    let (seconds, remainder) = nanoseconds(duration)
    return .init(tv_sec: seconds, tv_nsec: remainder)
  }

  /// Rounds up to whole nanoseconds, so that a wait never ends early. Negative durations become zero.
  package static func nanoseconds(_ duration: Duration) -> (seconds: Int, remainder: Int) {
    guard duration > .zero else { return (0, 0) }
    guard duration < longest else { return (.max, 0) }
    let (seconds, attoseconds) = duration.components
    let nanoseconds = (attoseconds + nanosecond - 1) / nanosecond
    guard nanoseconds < 1_000_000_000 else { return (Int(seconds.addingOne), 0) }
    return (Int(seconds), Int(nanoseconds))
  }

  /// Rounds up to whole milliseconds: if truncated, waits for fractions of one would spin until the time is up.
  package static func milliseconds(_ duration: Duration) -> Int32 {
    guard duration > .zero else { return 0 }
    guard duration < longest else { return .max }
    let (seconds, attoseconds) = duration.components
    guard seconds < Int64(Int32.max) / 1000 else { return .max }
    return Int32(seconds * 1000 + (attoseconds + millisecond - 1) / millisecond)
  }
}

extension Int64 {
  /// The maximum stays unchanged: as seconds, it is forever in any case.
  fileprivate var addingOne: Int64 { self == .max ? self : self + 1 }
}
