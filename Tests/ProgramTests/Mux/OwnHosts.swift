import Foundation
import Glibc
import Multiplex
import SystemPackage
import TestSupport
import Testing

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

  /// Starts a program that looks up a name, and calls the body with it during the lookup, which doesn't end.
  static func duringLookup(
    _ program: String, _ arguments: [String], body: (ChildProcess) throws -> Void
  ) throws {
    let folder = try TemporaryFolder()
    defer { withExtendedLifetime(folder) {} }
    // Opening a named pipe lasts until somebody opens its other side. Nobody does: the C library would try to seek in
    // the pipe, give it up, and ask a name server.
    let path = folder.file("hosts")
    guard unsafe mkfifo(path, 0o600) == 0 else { throw Errno(rawValue: errno) }
    let process = try start(path, [program] + arguments)
    #expect(eventually { process.isOpeningNamedPipe || !process.isRunning })
    try body(process)
  }

  private static func start(_ hosts: String, _ program: [String]) throws -> ChildProcess {
    let script = "mount --bind \"$0\" /etc/hosts && exec \"$@\""
    return try ChildProcess("unshare", ["-m", "/bin/sh", "-c", script, hosts] + program)
  }
}
