import Foundation
import TestSupport

/// Programs that see an /etc/hosts of their own, mounted over the machine's.
enum OwnHosts {
  /// Takes a privilege, which not every machine grants.
  static let isPossible = (try? run("", "true").waitForExit()) == .exited(0)

  /// Starts a program, and waits until it has said something on its output, or ended.
  static func run(_ hosts: String, _ program: String...) throws -> ChildProcess {
    let folder = try TemporaryFolder()
    // Until the program runs, the file is needed.
    defer { withExtendedLifetime(folder) {} }
    try Data(hosts.utf8).write(to: URL(fileURLWithPath: folder.file("hosts")))
    let script = "mount --bind \"$0\" /etc/hosts && exec \"$@\""
    let process = try ChildProcess("unshare", ["-m", "/bin/sh", "-c", script, folder.file("hosts")] + program)
    _ = eventually { !process.output.isEmpty || !process.isRunning }
    return process
  }
}
