public import Multiplex
internal import SystemPackage

/// A table of mounts of its own, in a child process, which can be changed without touching this system's.
///
/// The kernel reports a change as priority data of the table's file, once: asking again doesn't find it.
public final class MountNamespace: Sendable {
  private let shell: ChildProcess

  /// Whether this process may make one.
  public static let isPossible = (try? MountNamespace().change()) != nil

  /// Makes one.
  public init() throws {
    // The shell takes the program's place, and with it its process ID.
    shell = try ChildProcess("/usr/bin/env", ["unshare", "--user", "--map-root-user", "--mount", "/bin/sh"])
    shell.send("echo ready\n")
    try shell.expect("ready\n")
  }

  /// Opens the file that lists the mounts.
  public func openTable() throws -> OwnedDescriptor {
    let path = FilePath("/proc/\(shell.processID)/mountinfo")
    return OwnedDescriptor(adopting: try FileDescriptor.open(path, .readOnly))
  }

  /// Mounts something.
  public func change() throws {
    shell.send("mount -t tmpfs none /tmp && echo mounted\n")
    try shell.expect("mounted\n", within: .seconds(10))
  }
}
