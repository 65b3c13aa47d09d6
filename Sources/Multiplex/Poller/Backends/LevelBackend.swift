/// A backend whose system call knows levels alone. It says how to watch a descriptor; which descriptors, and that those in
/// edge mode are left to ``EdgeTriggers``, is the same for all of them.
protocol LevelBackend: ReadinessBackend {
  var edges: EdgeTriggers { get set }

  /// Watches an open descriptor, or watches it for something else.
  func watch(_ fd: Int32, for interest: Interest) throws(MultiplexError)

  /// Watches a descriptor no more.
  func unwatch(_ fd: Int32)
}

extension LevelBackend {
  func add(_ registration: Registration) throws(MultiplexError) {
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
    case (.edge, _), (_, .edge):
      remove(previous)
      try add(registration)
    default:
      // One that was handed over is closed by nobody else; to arm it again takes no call.
      if !registration.isOwned { try checkOpen(registration) }
      try watch(registration.descriptor, for: registration.interest)
    }
  }

  func remove(_ registration: Registration) {
    if registration.mode == .edge {
      edges.remove(registration)
    } else {
      unwatch(registration.descriptor)
    }
  }
}
