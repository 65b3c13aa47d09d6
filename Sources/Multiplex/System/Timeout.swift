internal import CMultiplex

/// How long a wait may last, in the units that system calls take.
package enum Timeout {
  /// More than that has no components: there are durations of more seconds than an `Int64` holds.
  private static let longest = Duration.seconds(Int64.max)

  private static let nanosecond: Int64 = 1_000_000_000  // in attoseconds
  private static let millisecond: Int64 = 1_000_000_000_000_000  // in attoseconds

  /// As C has it: see `nanoseconds`.
  static func timespec(_ duration: Duration) -> timespec {
    let (seconds, rest) = nanoseconds(duration)
    return .init(tv_sec: seconds, tv_nsec: rest)
  }

  /// Rounds up to whole nanoseconds: a wait never ends before its time. Less than zero is zero.
  package static func nanoseconds(_ duration: Duration) -> (seconds: Int, rest: Int) {
    guard duration > .zero else { return (0, 0) }
    guard duration < longest else { return (.max, 0) }
    let (seconds, attoseconds) = duration.components
    let nanoseconds = (attoseconds + nanosecond - 1) / nanosecond
    guard nanoseconds < 1_000_000_000 else { return (Int(seconds.addingOne), 0) }
    return (Int(seconds), Int(nanoseconds))
  }

  /// Rounds up to whole milliseconds: truncated, a wait of a fraction would spin until its time has come.
  package static func milliseconds(_ duration: Duration) -> Int32 {
    guard duration > .zero else { return 0 }
    guard duration < longest else { return .max }
    let (seconds, attoseconds) = duration.components
    guard seconds < Int64(Int32.max) / 1000 else { return .max }
    return Int32(seconds * 1000 + (attoseconds + millisecond - 1) / millisecond)
  }
}

extension Int64 {
  /// The greatest value stays as it is: as seconds, both are for ever.
  fileprivate var addingOne: Int64 { self == .max ? self : self + 1 }
}
