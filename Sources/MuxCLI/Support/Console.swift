import Multiplex
import SystemPackage

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// What the tool says to people and scripts, whole and in order, also into a pipe.
enum Console {
  /// How long the end of the process waits for readers of what was said.
  private static let patience = Duration.seconds(1)

  private static let lines = LineQueue { try? write($0, to: .standardOutput) }
  private static let complaints = LineQueue { try? write($0, to: .standardError) }

  /// Lines on standard output, without the end of the last. They are lost if they can't be written, because the disk is
  /// full or the reader has gone, and if the reader is too slow: a server goes on without, and never waits.
  static func print(_ text: String) {
    lines.add(text)
  }

  /// One line on standard error, lost if it can't be written. Nobody waits for it either.
  static func complain(_ line: String) {
    complaints.add("mux: \(line)")
  }

  /// Waits a little for what was said to be written. To be called before the process ends.
  static func flush() {
    complaints.flush(within: patience)
    lines.flush(within: patience)
  }

  /// Writes all of these bytes to standard output, after what was said before, and waits for the reader.
  ///
  /// - Throws: What keeps them from being written.
  static func write(_ bytes: some Collection<UInt8>) throws(Failure) {
    flush()
    do {
      try write(bytes, to: .standardOutput)
    } catch {
      throw Failure("standard output: \(error)", .ioError)
    }
  }

  private static func write(_ bytes: some Collection<UInt8>, to output: FileDescriptor) throws {
    var rest = Array(bytes)[...]
    while !rest.isEmpty {
      do {
        let count = try unsafe rest.withUnsafeBytes { try unsafe output.write($0) }
        rest = rest.dropFirst(count)
      } catch Errno.tryAgain {
        // Whoever shares the terminal or the pipe has made it non-blocking.
        _ = try select(writing: [output])
      }
    }
  }

  /// Takes the numbers of standard descriptors that are closed, which the kernel would give to the next socket: what is
  /// printed would go to a client. Input is then at its end, and output fails.
  static func fillStandardDescriptors() {
    while let descriptor = try? FileDescriptor.open(FilePath("/dev/null"), .readOnly) {
      guard descriptor.rawValue > STDERR_FILENO else { continue }
      try? descriptor.close()
      return
    }
  }

  /// Keeps a reader of our output that goes away from ending the process.
  static func outliveReaders() {
    _ = signal(SIGPIPE, SIG_IGN)
  }
}
