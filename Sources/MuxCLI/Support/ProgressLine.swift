import Foundation
import SystemPackage

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// A line that shows a command's progress and is overwritten repeatedly. It is shown only if standard error is a
/// terminal that can erase a line.
struct ProgressLine {
  let isShown = isatty(STDERR_FILENO) == 1 && ProcessInfo.processInfo.environment["TERM"] != "dumb"

  func show(_ text: @autoclosure () -> String) {
    guard isShown else { return }
    // Only one line is erased: the text must not continue on a second.
    write("\r\u{1b}[K\(text().prefix(max(0, Self.columns - 1)))")
  }

  /// The width of the window, which may change at any time.
  private static var columns: Int {
    // A `winsize`: rows, columns, and twice as much in pixels.
    var size: [UInt16] = [0, 0, 0, 0]
    guard unsafe ioctl(STDERR_FILENO, UInt(TIOCGWINSZ), &size) == 0, size[1] > 0 else { return .max }
    return Int(size[1])
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
