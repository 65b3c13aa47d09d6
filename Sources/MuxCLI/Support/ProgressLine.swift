import SystemPackage

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// A line that tells how far a command has come, written over again and again. There is none where standard error isn't a
/// terminal.
struct ProgressLine {
  let isShown = isatty(STDERR_FILENO) == 1

  func show(_ text: @autoclosure () -> String) {
    guard isShown else { return }
    write("\r\u{1b}[K\(text())")
  }

  /// Leaves the line empty for what comes.
  func clear() {
    guard isShown else { return }
    write("\r\u{1b}[K")
  }

  private func write(_ text: String) {
    // A terminal that is gone misses nothing.
    _ = try? FileDescriptor.standardError.writeAll(text.utf8)
  }
}
