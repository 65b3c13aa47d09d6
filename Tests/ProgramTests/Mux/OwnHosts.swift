import Foundation
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
    let script = "mount --bind \"$0\" /etc/hosts && exec \"$@\""
    let process = try ChildProcess("unshare", ["-m", "/bin/sh", "-c", script, folder.file("hosts")] + program)
    _ = eventually { !process.output.isEmpty || !process.isRunning }
    return process
  }
}
