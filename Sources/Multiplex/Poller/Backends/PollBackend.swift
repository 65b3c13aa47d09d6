internal import SystemPackage

extension Poller.Backend {
  /// POSIX's poll: as many descriptors as the process may have, but each wait looks at all of them.
  public static let poll = Self(
    name: "poll", emulatedModes: [.edge, .oneShot], summary: "cost grows with all descriptors",
    implementation: PollBackend.self)
}

/// Readiness from poll.
final class PollBackend: ReadinessBackend {
  private var set = PollSet()
  private var edges = EdgeTriggers()

  init() {}

  func add(_ registration: Registration) throws(MultiplexError) {
    if registration.mode == .edge {
      try edges.add(registration)
      if let descriptor = edges.descriptor { try watch(descriptor, .in) }
    } else {
      try checkOpen(registration)
      try watch(registration.descriptor, PollEvents(registration.interest))
    }
  }

  func modify(_ registration: Registration, replacing previous: Registration) throws(MultiplexError) {
    switch (previous.mode, registration.mode) {
    case (.edge, .edge):
      try edges.modify(registration, replacing: previous)
    case (.edge, _), (_, .edge):
      remove(previous)
      try add(registration)
    default:
      try checkOpen(registration)
      try watch(registration.descriptor, PollEvents(registration.interest))
    }
  }

  func remove(_ registration: Registration) {
    if registration.mode == .edge {
      edges.remove(registration)
    } else {
      try? set.unregister(FileDescriptor(rawValue: registration.descriptor))
    }
  }

  func wait(timeout: Duration?, registry: inout Registry) throws(MultiplexError) {
    let count: Int
    do {
      count = try set.wait(timeout: timeout)
    } catch {
      throw MultiplexError(call: "ppoll", errno: error)
    }
    if count == 0, timeout != .zero { edges.sweep(&registry) }
    var silenced: [Int32] = []
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

  private func watch(_ fd: Int32, _ events: PollEvents) throws(MultiplexError) {
    try set.register(FileDescriptor(rawValue: fd), for: events)
  }
}

extension ReadinessBackend {
  /// For calls that take any number and complain about it later, or never.
  func checkOpen(_ registration: Registration) throws(MultiplexError) {
    guard !Kernel.isOpen(registration.descriptor) else { return }
    throw MultiplexError(
      call: "fcntl", descriptor: FileDescriptor(rawValue: registration.descriptor), errno: .badFileDescriptor)
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
