internal import CMultiplex
internal import SystemPackage

extension Kernel {
  /// A timer on the clock of a `ContinuousClock`, stopped.
  static func timerfd() throws(Errno) -> Int32 {
    try perform(.timerfd_create) { timerfd_create(CLOCK_BOOTTIME, cmx_TFD_FLAGS) }
  }

  /// - Parameters:
  ///   - delay: Of no time to stop the timer.
  ///   - interval: Of no time to have it expire once.
  static func setTimer(_ fd: Int32, _ delay: timespec, interval: timespec) throws(Errno) {
    var setting = itimerspec(it_interval: interval, it_value: delay)
    _ = try perform(.timerfd_settime) { unsafe timerfd_settime(fd, 0, &setting, nil) }
  }
}
