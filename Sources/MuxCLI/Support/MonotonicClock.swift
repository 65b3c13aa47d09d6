#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// The kernel's clocks as plain nanoseconds. What is measured millions of times a second is to cost the reading alone.
enum MonotonicClock {
  static let second = 1_000_000_000

  /// The time since some moment before the process began.
  static var now: Int { read(CLOCK_MONOTONIC) }

  /// The processor time that all threads of this process have used, in the kernel too.
  static var processorTime: Int { read(CLOCK_PROCESS_CPUTIME_ID) }

  private static func read(_ clock: clockid_t) -> Int {
    var time = timespec()
    // These clocks always exist.
    _ = unsafe clock_gettime(clock, &time)
    return time.tv_sec &* second &+ time.tv_nsec
  }
}
