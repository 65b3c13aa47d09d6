import SystemPackage

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// A line that shows a command's progress and is overwritten repeatedly. It is shown only if standard error is a
/// terminal.
struct ProgressLine {
  let isShown = isatty(STDERR_FILENO) == 1

  func show(_ text: @autoclosure () -> String) {
    guard isShown else { return }
    write("\r\u{1b}[K\(text())")
  }

  /// Clears the line for further output.
  func clear() {
    guard isShown else { return }
    write("\r\u{1b}[K")
  }

  private func write(_ text: String) {
    // Errors don't matter: the terminal may be gone.
    _ = try? FileDescriptor.standardError.writeAll(text.utf8)
  }
}
