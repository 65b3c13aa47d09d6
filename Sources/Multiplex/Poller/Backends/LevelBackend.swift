/// A backend whose system call knows levels alone. It says how to watch a descriptor, and looks; which descriptors, what is
/// done about those that are ready, and that those in edge mode are left to ``EdgeTriggers``, is the same for all of them.
protocol LevelBackend: ReadinessBackend {
  var edges: EdgeTriggers { get set }
  /// Descriptors that a wait is done with. Kept for its memory alone.
  var silenced: [Int32] { get set }

  /// Watches an open descriptor, or watches it for something else.
  func watch(_ fd: Int32, for interest: Interest) throws(MultiplexError)

  /// Watches a descriptor no more.
  func unwatch(_ fd: Int32)

  /// Watches a descriptor no more until ``watch(_:for:)`` is called again.
  func silence(_ fd: Int32)

  /// Waits once, as ``wait(timeout:registry:)`` is to.
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
      // In this order: what fails has changed nothing.
      try add(registration)
      edges.handOver(previous)
    case (_, .edge):
      try add(registration)
      unwatch(previous.descriptor)
    default:
      // Which watches it for something else.
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

  /// Whether a number was closed while it was registered, and is that of ``edges`` by now: these go on being watched.
  private func isOwn(_ registration: Registration) -> Bool { registration.descriptor == edges.descriptor }
}

// MARK: - Waiting

extension LevelBackend {
  func wait(timeout: Duration?, registry: inout Registry) throws(MultiplexError) {
    let shortage = edges.retry(registry)
    try look(timeout: shortage == nil ? timeout : .zero, registry: &registry)
    if let shortage, !registry.hasFound { throw shortage }
  }

  /// Reports what poll says about descriptors, and the edges that have come.
  ///
  /// - Parameter visit: Visits those that are ready.
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
