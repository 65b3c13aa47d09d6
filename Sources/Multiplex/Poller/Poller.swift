internal import SystemPackage

/// Waits for many descriptors at once, in whichever way the kernel offers.
///
///     let poller = try Poller()
///     try poller.register(socket, for: .read, token: 7)
///     for event in try poller.wait(timeout: .seconds(1)) where event.isReadable { ... }
///
/// Everything means the same on every backend. A descriptor is registered once, with an interest, a mode and a number
/// of the caller's. Errors, hang-ups and closed descriptors are reported whatever the interest; an event is never empty.
///
/// - Unregister a descriptor before it is closed. One that was closed all the same is reported as
///   ``Readiness/invalid``, once, and can still be unregistered. The kernel forgets it in silence with epoll, and in
///   edge mode; there it is found by a wait that runs into its timeout, within a second or so. With io_uring, the file
///   itself stays open until then: a listener goes on taking connections, and a peer doesn't see the end.
/// - A descriptor that is lent has to stay open, and its owner alive: Swift may release an object after its last use, and
///   a ``Socket`` that is released closes its descriptor, also in the middle of the function whose local variable held it.
///   Keep sockets in something that lives as long as the registration, hand the descriptor over
///   (`register(owning:for:mode:token:)`), or use a ``Multiplexer`` with the socket as the attachment.
/// - A poller is used by one thread at a time, which the compiler checks. Its ``waker`` is for all threads. With io_uring,
///   to use it on another thread than before costs time in proportion to all its descriptors: see ``Backend/ioUring``.
/// - After a `fork` the child must not use its parent's poller, only close it: with epoll, both would change one set, and with
///   io_uring, one queue.
public final class Poller {
  /// How this poller waits.
  public let backend: Backend
  /// Ends a wait from any thread.
  public let waker: Waker

  // One thread uses a poller at a time, and while one of these is accessed nothing of the caller's runs, so that no two
  // accesses overlap. To have the runtime check that would be a third of what a wait costs here.

  /// Nil once the poller is closed.
  @safe @exclusivity(unchecked) private var implementation: (any ReadinessBackend)?
  @safe @exclusivity(unchecked) @usableFromInline var registry = Registry()
  /// Counts the waits, so that a batch of events can tell whether it is still valid.
  @safe @exclusivity(unchecked) @usableFromInline var turn: UInt64 = 0
  /// Whether a registration was changed or removed since the last wait, so that what it found must be looked at again.
  @safe @exclusivity(unchecked) @usableFromInline var hasChanges = false

  /// Makes a poller without descriptors.
  ///
  /// - Throws: ``MultiplexError/Reason/openFileLimit``, or what else keeps the backend from working here: see
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

  /// Forgets all descriptors, and closes those that were handed over. Further calls do nothing.
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

@available(*, unavailable, message: "A poller is used by one thread at a time; its waker is for the others")
extension Poller: Sendable {}
