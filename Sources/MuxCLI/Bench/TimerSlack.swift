import SystemPackage

/// How much later than asked for the kernel may end a wait, so as to end several at once: 50 µs by default, which a message
/// on a schedule would be late.
enum TimerSlack {
  /// Makes it as short as it can be, for the calling process's first thread. Where that isn't possible, it stays.
  static func minimize() {
    let path = FilePath("/proc/self/timerslack_ns")
    guard let file = try? FileDescriptor.open(path, .writeOnly, options: .closeOnExec) else { return }
    _ = try? file.closeAfter { try file.writeAll("1".utf8) }
  }
}
