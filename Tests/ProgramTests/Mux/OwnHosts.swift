import Foundation
import Glibc
import Multiplex
import SystemPackage
import TestSupport

/// Programs with their own /etc/hosts, mounted over the machine's.
enum OwnHosts {
  /// Whether this is possible: mounting takes a privilege that not every machine grants.
  static let isPossible = (try? run("", "true").waitForExit()) == .exited(0)

  /// Starts a program, and waits until it has written to standard output, or ended.
  static func run(_ hosts: String, _ program: String...) throws -> ChildProcess {
    let folder = try TemporaryFolder()
    // The file is needed until the program runs.
    defer { withExtendedLifetime(folder) {} }
    try Data(hosts.utf8).write(to: URL(fileURLWithPath: folder.file("hosts")))
    let process = try start(folder.file("hosts"), program)
    _ = eventually { !process.output.isEmpty || !process.isRunning }
    return process
  }

  /// Starts a program that looks up a name, and calls the body with it; the lookup doesn't end before that.
  static func duringLookup(
    _ program: String, _ arguments: [String], body: (ChildProcess) throws -> Void
  ) throws {
    let folder = try TemporaryFolder()
    let path = folder.file("hosts")
    guard unsafe mkfifo(path, 0o600) == 0 else { throw Errno(rawValue: errno) }
    let process = try start(path, [program] + arguments)
    // This succeeds once the program reads the pipe, which then never has any names.
    var writer: FileDescriptor?
    _ = eventually {
      writer = try? FileDescriptor.open(FilePath(path), .writeOnly, options: [.nonBlocking, .closeOnExec])
      return writer != nil || !process.isRunning
    }
    defer { try? writer?.close() }
    try body(process)
  }

  private static func start(_ hosts: String, _ program: [String]) throws -> ChildProcess {
    let script = "mount --bind \"$0\" /etc/hosts && exec \"$@\""
    return try ChildProcess("unshare", ["-m", "/bin/sh", "-c", script, hosts] + program)
  }
}
