import Multiplex
import SystemPackage

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// What the tool says to people and scripts, written at once and whole, also into a pipe.
enum Console {
  /// One line on standard output. It is lost if it can't be written, because the disk is full or the reader has gone: a
  /// server goes on without.
  static func print(_ line: String) {
    try? write("\(line)\n".utf8, to: .standardOutput)
  }

  /// One line on standard error, lost if it can't be written.
  static func complain(_ line: String) {
    try? write("mux: \(line)\n".utf8, to: .standardError)
  }

  /// Writes all of these bytes to standard output.
  ///
  /// - Throws: What keeps them from being written.
  static func write(_ bytes: some Collection<UInt8>) throws(Failure) {
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
      } catch Errno.wouldBlock {
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
