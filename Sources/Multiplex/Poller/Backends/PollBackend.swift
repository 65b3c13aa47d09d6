internal import SystemPackage

extension Poller.Backend {
  /// POSIX's poll: as many descriptors as the process may have, but the cost of each wait grows with all of them.
  public static let poll = Self(
    name: "poll", emulatedModes: [.edge, .oneShot], summary: "cost grows with all descriptors",
    implementation: PollBackend.self)
}

/// Readiness from poll.
final class PollBackend: LevelBackend {
  @safe @exclusivity(unchecked) private var set = PollSet()
  @safe @exclusivity(unchecked) var edges = EdgeTriggers()
  @safe @exclusivity(unchecked) var silenced: [Int32] = []

  init() {}

  func watch(_ fd: Int32, for interest: Interest) throws(MultiplexError) {
    try set.register(FileDescriptor(rawValue: fd), for: PollEvents(interest))
  }

  func unwatch(_ fd: Int32) {
    try? set.unregister(FileDescriptor(rawValue: fd))
  }

  func silence(_ fd: Int32) {
    set.park(fd)
  }

  func look(timeout: Duration?, registry: inout Registry) throws(MultiplexError) {
    let count = try calling("ppoll", set.wait(timeout: timeout))
    if count == 0, timeout != .zero { edges.sweep(&registry) }
    try report(to: &registry) { body in set.forEachReady(count, body) }
  }
}
