internal import SystemPackage

/// Waits for many descriptors at once, with the best system call that the kernel offers.
///
///     let poller = try Poller()
///     try poller.register(socket, for: .read, token: 7)
///     for event in try poller.wait(timeout: .seconds(1)) where event.isReadable { ... }
///
/// Every backend behaves the same. A descriptor is registered once, with an interest, a mode and a token, which is a
/// number of the caller's. Errors, hang-ups and closed descriptors are reported whatever the interest; an event is
/// never empty.
///
/// - Unregister a descriptor before it is closed. Otherwise it is reported as ``Readiness/invalid``, once, and can
///   still be unregistered. epoll, and edge mode on every backend, forget it silently; a wait that runs into its
///   timeout finds it, within about a second, or later if there are thousands and the waits are short. With io_uring,
///   the file itself stays open until then: a listener goes on taking connections, and a peer doesn't see the end.
/// - A borrowed descriptor has to stay open, and its owner alive: Swift may release an object after its last use, and a
///   ``Socket`` that is released closes its descriptor, even in the middle of the function whose local variable held
///   it. Keep sockets in something that lives as long as the registration, hand the descriptor over
///   (`register(owning:for:mode:token:)`), or use a ``Multiplexer`` with the socket as the attachment.
/// - A poller is used by one thread at a time, which the compiler checks. Its ``waker`` may be used by all threads.
///   With io_uring, moving a poller to another thread takes time in proportion to all its descriptors: see
///   ``Backend/ioUring``.
/// - After a `fork`, the child must not use its parent's poller, but only close it: with epoll, both would change the
///   same set, and with io_uring, the same queue.
public final class Poller {
  /// How this poller waits.
  public let backend: Backend
  /// Ends a wait from any thread.
  public let waker: Waker

  // A poller is used by one thread at a time, and none of the caller's code runs while one of these is accessed, so no
  // two accesses overlap. The runtime's check for that would be a third of the cost of a wait.

  /// Nil once the poller is closed.
  @safe @exclusivity(unchecked) private var implementation: (any ReadinessBackend)?
  @safe @exclusivity(unchecked) @usableFromInline var registry = Registry()
  /// Counts the waits, so that a batch of events knows whether it is still valid.
  @safe @exclusivity(unchecked) @usableFromInline var turn: UInt64 = 0
  /// Whether a registration was changed or removed since the last wait, so that its findings must be checked again.
  @safe @exclusivity(unchecked) @usableFromInline var hasChanges = false

  /// Makes a poller without descriptors.
  ///
  /// - Parameter backend: How to wait.
  /// - Throws: ``MultiplexError/Reason/openFileLimit``, or why else the backend doesn't work here: see
  ///   ``Backend/unavailability``.
  public init(backend: Backend = .automatic) throws(MultiplexError) {
    self.backend = backend
    waker = try Waker()
    let implementation = try backend.implementation.init()
    registry.waker = waker.rawDescriptor
    let registration = registry.makeRegistration(
      of: waker.rawDescriptor, interest: .read, mode: .level, token: 0, isOwned: false)
    try implementation.add(registration)
    registry.insert(registration)
    self.implementation = implementation
  }

  deinit {
    close()
  }

  /// How many descriptors are registered.
  public var count: Int { isClosed ? 0 : registry.count - 1 }

  /// Whether ``close()`` has been called.
  public var isClosed: Bool { implementation == nil }

  /// Removes all registrations, and closes the descriptors that were handed over. Further calls do nothing.
  public func close() {
    guard implementation != nil else { return }
    implementation = nil
    turn += 1
    for registration in registry.registrations where registration.isOwned {
      _ = OwnedDescriptor(adopting: registration.descriptor)
    }
    registry = Registry()
  }

  func requireOpen(for call: String) throws(MultiplexError) -> any ReadinessBackend {
    guard let implementation else {
      throw .closed("poller", for: call)
    }
    return implementation
  }
}

@available(*, unavailable, message: "A poller is used by one thread at a time; use its waker from others")
extension Poller: Sendable {}
