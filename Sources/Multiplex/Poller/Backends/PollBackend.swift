internal import SystemPackage

extension Poller.Backend {
  /// POSIX's poll: as many descriptors as the process may have, but each wait looks at all of them.
  public static let poll = Self(
    name: "poll", emulatedModes: [.edge, .oneShot], summary: "cost grows with all descriptors",
    implementation: PollBackend.self)
}

/// Readiness from poll.
final class PollBackend: LevelBackend {
  @safe @exclusivity(unchecked) private var set = PollSet()
  @safe @exclusivity(unchecked) var edges = EdgeTriggers()
  /// Descriptors that a wait is done with. Kept for its memory alone.
  @safe @exclusivity(unchecked) private var silenced: [Int32] = []

  init() {}

  func watch(_ fd: Int32, for interest: Interest) throws(MultiplexError) {
    try set.register(FileDescriptor(rawValue: fd), for: PollEvents(interest))
  }

  func unwatch(_ fd: Int32) {
    try? set.unregister(FileDescriptor(rawValue: fd))
  }

  func wait(timeout: Duration?, registry: inout Registry) throws(MultiplexError) {
    let count: Int
    do {
      count = try set.wait(timeout: timeout)
    } catch {
      throw MultiplexError(call: "ppoll", errno: error)
    }
    if count == 0, timeout != .zero { edges.sweep(&registry) }
    silenced.removeAll(keepingCapacity: true)
    let edgeDescriptor = edges.descriptor
    var hasEdges = false
    set.forEachReady(count) { fd, events in
      if fd == edgeDescriptor {
        hasEdges = true
      } else if registry.report(fd, Readiness(events)) != .watchOn {
        silenced.append(fd)
      }
    }
    for fd in silenced { set.park(fd) }
    if hasEdges { try edges.collect(&registry) }
  }
}

extension PollEvents {
  init(_ interest: Interest) {
    var events: PollEvents = []
    // The end of input matters only to those who read; to others it would be a level that never falls.
    if interest.contains(.read) { events.formUnion([.in, .readHangUp]) }
    if interest.contains(.write) { events.insert(.out) }
    if interest.contains(.priority) { events.insert(.priority) }
    self = events
  }
}

extension Readiness {
  init(_ events: PollEvents) {
    self.init(kernelBits: UInt32(UInt16(bitPattern: events.rawValue)))
  }
}
