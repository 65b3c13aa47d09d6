import SystemPackage

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// What the tool says to people and scripts. Each line is written at once and whole, also into a pipe.
///
/// A line that can't be written, because the disk is full or the reader has gone, is lost: a server goes on without.
enum Console {
  static func print(_ line: String) {
    _ = try? FileDescriptor.standardOutput.writeAll(Array("\(line)\n".utf8))
  }

  /// One line on standard error.
  static func complain(_ line: String) {
    _ = try? FileDescriptor.standardError.writeAll(Array("mux: \(line)\n".utf8))
  }

  /// Keeps a reader of our output that goes away from ending the process.
  static func outliveReaders() {
    _ = signal(SIGPIPE, SIG_IGN)
  }
}
