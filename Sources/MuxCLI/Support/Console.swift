import Multiplex
import SystemPackage

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// The tool's output to people and scripts, complete and in order, also into a pipe.
enum Console {
  /// How long the process waits for readers of its output before it ends.
  private static let patience = Duration.seconds(1)

  private static let lines = LineQueue {
    try write($0, to: .standardOutput)
  } onFirstLoss: { error in
    warn("standard output: \(error); what can't be written is lost")
  }
  private static let warnings = LineQueue { try write($0, to: .standardError) }

  /// Prints lines on standard output, without waiting. They are lost if they can't be written, because the disk is full
  /// or the reader has gone, or if the reader is too slow: a server continues without them, and says so.
  ///
  /// - Parameter text: One or more lines, without the last newline.
  static func print(_ text: String) {
    lines.add(text)
  }

  /// Prints one line on standard error, without waiting. It is lost if it can't be written.
  static func warn(_ line: String) {
    warnings.add("mux: \(line)")
  }

  /// Prints one line on standard error, without waiting, that is no complaint. It is lost if it can't be written.
  static func inform(_ line: String) {
    warnings.add(line)
  }

  /// Waits a moment for queued lines to be written, and says how many couldn't be. To be called before the process ends.
  static func finish() {
    flush()
    let count = lines.unwrittenCount
    guard count > 0 else { return }
    warn("\(Quantity.counted(count, "line")) of output lost")
    warnings.flush(within: patience)
  }

  /// Waits a moment for queued lines to be written.
  private static func flush() {
    warnings.flush(within: patience)
    lines.flush(within: patience)
  }

  /// Writes bytes to standard output, after all queued lines, and waits for the reader.
  ///
  /// - Throws: A failure if not all of them can be written.
  static func write(_ bytes: some Collection<UInt8>) throws(Failure) {
    flush()
    do {
      try write(bytes, to: .standardOutput)
    } catch {
      throw Failure("standard output: \(error)", .ioError)
    }
  }

  /// Writes lines to standard output, as ``write(_:)`` does.
  ///
  /// - Parameter text: The lines, without the last newline.
  /// - Returns: Why not all of them could be written.
  static func result(of text: String) -> Result<Void, Failure> {
    Result { () throws(Failure) in try write("\(text)\n".utf8) }
  }

  private static func write(_ bytes: some Collection<UInt8>, to output: FileDescriptor) throws {
    var remainder = Array(bytes)[...]
    while !remainder.isEmpty {
      do {
        let count = try unsafe remainder.withUnsafeBytes { try unsafe output.write($0) }
        remainder = remainder.dropFirst(count)
      } catch Errno.tryAgain {
        // Another process that shares the terminal or the pipe has made it non-blocking.
        _ = try select(writing: [output])
      }
    }
  }

  /// Opens /dev/null for closed standard descriptors. The kernel would give their numbers to the next sockets, and
  /// output would go to a client. Input is then at its end, and output fails.
  static func fillStandardDescriptors() {
    while let descriptor = try? FileDescriptor.open(FilePath("/dev/null"), .readOnly) {
      guard descriptor.rawValue > STDERR_FILENO else { continue }
      try? descriptor.close()
      return
    }
  }

  /// Ignores SIGXFSZ, so that the process survives when a file may not grow (`ulimit -f`): the write fails instead.
  static func ignoreFileSizeSignals() {
    _ = signal(SIGXFSZ, SIG_IGN)
  }

  /// Ignores SIGPIPE, so that the process survives when a reader of its output goes away.
  static func ignoreBrokenPipes() {
    _ = signal(SIGPIPE, SIG_IGN)
  }
}
