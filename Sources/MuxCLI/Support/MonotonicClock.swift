#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// The kernel's clocks as plain nanoseconds. They are read millions of times a second, so nothing may be added to the
/// cost of the reading.
enum MonotonicClock {
  static let second = 1_000_000_000

  /// The time since an arbitrary moment before the process started.
  static var now: Int { read(CLOCK_MONOTONIC) }

  /// The processor time that all threads of this process have used, including time in the kernel.
  static var processorTime: Int { read(CLOCK_PROCESS_CPUTIME_ID) }

  private static func read(_ clock: clockid_t) -> Int {
    var time = timespec()
    // These clocks always exist.
    _ = unsafe clock_gettime(clock, &time)
    return time.tv_sec &* second &+ time.tv_nsec
  }
}
