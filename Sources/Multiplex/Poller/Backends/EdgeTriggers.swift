internal import SystemPackage

/// Edge mode for backends whose system call is level-triggered only.
///
/// Comparing two levels can't detect an edge: if a descriptor was drained and new data has arrived since, it looks
/// unchanged, and an event would be lost. The kernel does know, so edge-triggered descriptors are kept in an epoll
/// instance, and the backend waits for that instance's descriptor.
struct EdgeTriggers {
  private var epoll: EpollBackend?

  /// The descriptor to wait for; nil if there is none yet.
  var descriptor: Int32? { epoll?.fileDescriptor.rawValue }

  mutating func add(_ registration: Registration) throws(MultiplexError) {
    if epoll == nil { epoll = try EpollBackend(only: .edge) }
    try epoll?.add(registration)
  }

  func modify(_ registration: Registration, replacing previous: Registration) throws(MultiplexError) {
    try epoll?.modify(registration, replacing: previous)
  }

  func remove(_ registration: Registration) {
    epoll?.remove(registration)
  }

  /// Removes a registration that is no longer in edge mode.
  func handOver(_ registration: Registration) {
    epoll?.handOver(registration)
  }

  /// Reports pending edges, without waiting.
  func collect(_ registry: inout Registry) throws(MultiplexError) {
    try epoll?.wait(timeout: .zero, registry: &registry)
  }

  /// Adds the descriptors that the kernel had no room for, and returns the error if there is still none.
  func retry(_ registry: Registry) -> MultiplexError? {
    epoll?.retry(registry)
  }

  /// Reports descriptors that were closed while they were registered.
  func sweep(_ registry: inout Registry) {
    epoll?.sweep(&registry)
  }
}
