internal import SystemPackage

extension Poller.Backend {
  /// The oldest call, with bitmaps as long as the highest descriptor; here not limited to 1024 of them.
  public static let select = Self(
    name: "select", emulatedModes: [.edge, .oneShot], summary: "cost grows with the highest descriptor",
    implementation: SelectBackend.self)
}

/// Readiness from select, which finds the descriptors that something has happened to, and poll, called only for those,
/// which reports what: select can't distinguish a hang-up or an error from bytes to read.
final class SelectBackend: LevelBackend {
  /// How often to look for hang-ups that select can't wait for: see `look`.
  private static let hangUpInterval = Duration.milliseconds(100)

  @safe @exclusivity(unchecked) private var watched = DescriptorBitmaps()
  /// What select has found, and poll's details. They are kept only for their memory.
  @safe @exclusivity(unchecked) private var ready = DescriptorBitmaps()
  @safe @exclusivity(unchecked) private var details = PollEntries()
  @safe @exclusivity(unchecked) var silenced: [Int32] = []
  @safe @exclusivity(unchecked) var edges = EdgeTriggers()

  init() {}

  /// The reading set contains every descriptor, whatever the interest: select reports hang-ups only there.
  func watch(_ fd: Int32, for interest: Interest) {
    watched.reading[fd] = true
    watched.writing[fd] = interest.contains(.write)
    watched.exceptional[fd] = interest.contains(.priority)
  }

  func unwatch(_ fd: Int32) {
    watched.reading[fd] = false
    watched.writing[fd] = false
    watched.exceptional[fd] = false
  }

  func silence(_ fd: Int32) {
    unwatch(fd)
  }

  func look(timeout: Duration?, registry: inout Registry) throws(MultiplexError) {
    let deadline = Deadline(after: timeout)
    guard case .unwanted(var unread) = try report(timeout, to: &registry, without: []) else { return }
    // These have bytes to read that nobody asked for, and would end each select at once. For the remainder of this wait
    // they are left out of the reading set, and checked at intervals, as they may hang up.
    var remaining = deadline.remaining
    while remaining != .zero {
      let slice = min(remaining ?? Self.hangUpInterval, Self.hangUpInterval)
      if case .reported = try report(slice, to: &registry, without: unread) { return }
      switch try report(.zero, to: &registry, without: []) {
      case .reported: return
      case .nothing: unread = []
      // Others may have received such bytes meanwhile.
      case .unwanted(let found): unread = found
      }
      remaining = deadline.remaining
    }
  }

  private enum Found {
    case reported
    case nothing
    /// Descriptors that are readable, although nobody is interested in that.
    case unwanted([Int32])
  }

  /// Calls select once, and reports poll's details of the descriptors that it found.
  private func report(
    _ timeout: Duration?, to registry: inout Registry, without unread: [Int32]
  ) throws(MultiplexError) -> Found {
    ready.copy(watched)
    for fd in unread { ready.reading[fd] = false }
    do {
      // All are within the kernel's table: each was open when it was registered, and the table doesn't shrink.
      guard try ready.wait(timeout: timeout) > 0 else {
        if timeout != .zero { edges.sweep(&registry) }
        return registry.findings.isEmpty ? .nothing : .reported
      }
    } catch .badFileDescriptor {
      // One was closed while it was registered. Poll, called for all of them, finds which. The reading set has them all.
      ready.exceptional.removeAll()
      ready.reading.copy(watched.reading)
    } catch {
      throw MultiplexError(call: "pselect", errno: error)
    }
    return try reportDetails(to: &registry)
  }

  /// Reports poll's details of the descriptors that are in any of the sets.
  private func reportDetails(to registry: inout Registry) throws(MultiplexError) -> Found {
    details.removeAll()
    let edgeDescriptor = edges.descriptor
    ready.forEach { fd in
      let registration = fd == edgeDescriptor ? nil : registry[fd]
      details.append(fd, for: registration.map { PollEvents($0.interest) } ?? .in)
    }
    var count = try calling("ppoll", details.wait(timeout: .zero))
    // Some files report a condition only once, and have reported it to select.
    if ready.exceptional.upperBound > 0 { count += details.addFound(.priority) { ready.exceptional[$0] } }
    try report(to: &registry) { body in details.forEachReady(count, body) }
    guard count == 0 else { return .reported }
    // If the interest includes reading, somebody else has taken the bytes between the two calls: select waits for more.
    var unwanted: [Int32] = []
    ready.forEach { fd in
      if registry[fd]?.interest.contains(.read) == false { unwanted.append(fd) }
    }
    return unwanted.isEmpty ? .nothing : .unwanted(unwanted)
  }
}
