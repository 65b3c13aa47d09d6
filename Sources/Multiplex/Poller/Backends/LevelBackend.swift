/// A backend whose system call is level-triggered only. It defines how to watch descriptors and how to wait; the rest
/// is the same for all of them: which descriptors to watch, how to report them, and leaving edge mode to
/// ``EdgeTriggers``.
protocol LevelBackend: ReadinessBackend {
  var edges: EdgeTriggers { get set }
  /// Descriptors to silence after a wait. Kept only for its memory.
  var silenced: [Int32] { get set }

  /// Watches an open descriptor, or changes what it is watched for.
  func watch(_ fd: Int32, for interest: Interest) throws(MultiplexError)

  /// Stops watching a descriptor.
  func unwatch(_ fd: Int32)

  /// Stops watching a descriptor until ``watch(_:for:)`` is called again.
  func silence(_ fd: Int32)

  /// Waits once, for ``wait(timeout:registry:)``.
  func look(timeout: Duration?, registry: inout Registry) throws(MultiplexError)
}

extension LevelBackend {
  func add(_ registration: Registration) throws(MultiplexError) {
    guard !isOwn(registration) else { throw notOpen(registration) }
    if registration.mode == .edge {
      try edges.add(registration)
      if let descriptor = edges.descriptor { try watch(descriptor, for: .read) }
    } else {
      try checkOpen(registration)
      try watch(registration.descriptor, for: registration.interest)
    }
  }

  func modify(_ registration: Registration, replacing previous: Registration) throws(MultiplexError) {
    switch (previous.mode, registration.mode) {
    case (.edge, .edge):
      try edges.modify(registration, replacing: previous)
    case (.edge, _):
      // In this order, a failure changes nothing.
      try add(registration)
      edges.handOver(previous)
    case (_, .edge):
      try add(registration)
      unwatch(previous.descriptor)
    default:
      // This changes what it is watched for.
      try add(registration)
    }
  }

  func rearm(_ registration: Registration, replacing previous: Registration) throws(MultiplexError) {
    guard registration.isOwned, previous.mode != .edge else { return try modify(registration, replacing: previous) }
    try watch(registration.descriptor, for: registration.interest)
  }

  func remove(_ registration: Registration) {
    if registration.mode == .edge {
      edges.remove(registration)
    } else if !isOwn(registration) {
      unwatch(registration.descriptor)
    }
  }

  /// Whether a number was closed while it was registered, and is that of ``edges`` by now, which must still be watched.
  private func isOwn(_ registration: Registration) -> Bool { registration.descriptor == edges.descriptor }
}

// MARK: - Waiting

extension LevelBackend {
  func wait(timeout: Duration?, registry: inout Registry) throws(MultiplexError) {
    let shortage = edges.retry(registry)
    try look(timeout: shortage == nil ? timeout : .zero, registry: &registry)
    if let shortage, !registry.hasFound { throw shortage }
  }

  /// Reports poll's results, and pending edges.
  ///
  /// - Parameter visit: Visits the ready descriptors.
  @inline(__always)
  func report(
    to registry: inout Registry, _ visit: (_ body: (Int32, PollEvents) -> Void) -> Void
  ) throws(MultiplexError) {
    silenced.removeAll(keepingCapacity: true)
    let edgeDescriptor = edges.descriptor
    var hasEdges = false
    visit { fd, events in
      if fd == edgeDescriptor {
        hasEdges = true
      } else if registry.report(fd, Readiness(events)) != .watchOn {
        silenced.append(fd)
      }
    }
    for fd in silenced { silence(fd) }
    if hasEdges { try edges.collect(&registry) }
  }
}
