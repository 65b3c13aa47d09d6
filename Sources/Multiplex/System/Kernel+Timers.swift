internal import CMultiplex
internal import SystemPackage

extension Kernel {
  /// Makes a stopped timer on the clock of `ContinuousClock`.
  static func timerfd() throws(Errno) -> Int32 {
    try perform(.timerfd_create) { timerfd_create(CLOCK_BOOTTIME, cmx_TFD_FLAGS) }
  }

  /// - Parameters:
  ///   - fd: The timer.
  ///   - delay: Zero stops the timer.
  ///   - interval: Zero makes it expire once.
  static func setTimer(_ fd: Int32, _ delay: timespec, interval: timespec) throws(Errno) {
    var setting = itimerspec(it_interval: interval, it_value: delay)
    _ = try perform(.timerfd_settime) { unsafe timerfd_settime(fd, 0, &setting, nil) }
  }
}
