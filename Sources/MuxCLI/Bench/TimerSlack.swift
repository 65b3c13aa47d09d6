import SystemPackage

/// The time by which the kernel may prolong a wait in order to end several at once: 50 µs by default, by which a
/// scheduled message would be late.
enum TimerSlack {
  /// Minimizes the timer slack of the process's first thread, if possible.
  static func minimize() {
    let path = FilePath("/proc/self/timerslack_ns")
    guard let file = try? FileDescriptor.open(path, .writeOnly, options: .closeOnExec) else { return }
    _ = try? file.closeAfter { try file.writeAll("1".utf8) }
  }
}
