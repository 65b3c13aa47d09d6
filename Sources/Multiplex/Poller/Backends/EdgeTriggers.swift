internal import SystemPackage

/// Edge mode for backends whose system call knows levels alone.
///
/// An edge can't be told from two looks at a level: what was read to the end and has come anew since looks as if it had
/// never changed, and an event would be lost. The kernel does know, so edge-triggered descriptors are kept in an epoll
/// instance, and that instance's descriptor is what the backend waits for.
struct EdgeTriggers {
  private var epoll: EpollBackend?

  /// What to wait for; nil while there is nothing.
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

  /// Removes a registration that isn't in edge mode any more.
  func handOver(_ registration: Registration) {
    epoll?.handOver(registration)
  }

  /// Reports the edges that have come, without waiting.
  func collect(_ registry: inout Registry) throws(MultiplexError) {
    try epoll?.wait(timeout: .zero, registry: &registry)
  }

  /// Adds what the kernel had no room for, and returns what it is still short of.
  func retry(_ registry: Registry) -> MultiplexError? {
    epoll?.retry(registry)
  }

  /// Reports descriptors that were closed while they were registered.
  func sweep(_ registry: inout Registry) {
    epoll?.sweep(&registry)
  }
}
