public import SystemPackage

extension Poller {
  /// Watches a descriptor, which is lent: unregister it before it is closed.
  ///
  /// A failed registration leaves nothing behind.
  ///
  /// - Parameters:
  ///   - descriptor: A socket, a pipe, a terminal, or whatever else can be waited for; blocking or not, which it stays.
  ///   - interest: What to watch for. Errors and hang-ups are reported whatever it is.
  ///   - mode: When a descriptor that is ready is reported, and when again.
  ///   - token: Comes back with each event.
  /// - Throws: ``MultiplexError/Reason/alreadyRegistered``; ``MultiplexError/Reason/notOpen``;
  ///   ``MultiplexError/Reason/notPollable`` for regular files with epoll and in edge mode;
  ///   ``MultiplexError/Reason/closed``, also where it is the socket that was closed;
  ///   ``MultiplexError/Reason/openFileLimit`` where edge mode takes a descriptor of the poller's own: see
  ///   ``Backend/emulatedModes``.
  public func register(
    _ descriptor: borrowing some Selectable & ~Copyable, for interest: Interest, mode: TriggerMode = .level,
    token: UInt64 = 0
  ) throws(MultiplexError) {
    try add(descriptor.fileDescriptor, interest, mode, token, isOwned: false)
  }

  /// Watches a descriptor and takes it over: it can't be closed while it is registered.
  ///
  /// ``unregister(_:)`` closes it, and so does closing the poller; ``take(_:)`` gives it back. A registration that
  /// fails closes it too.
  ///
  /// - Returns: The descriptor, lent, for reading and writing.
  /// - Throws: As ``register(_:for:mode:token:)`` does.
  @discardableResult
  public func register(
    owning descriptor: consuming OwnedDescriptor, for interest: Interest, mode: TriggerMode = .level,
    token: UInt64 = 0
  ) throws(MultiplexError) -> FileDescriptor {
    try add(descriptor.fileDescriptor, interest, mode, token, isOwned: true)
    return descriptor.release()
  }

  /// Replaces what a descriptor is watched for, and how; arms it again after a one-shot event. In edge mode, what is
  /// ready now counts as new.
  ///
  /// If it fails, the registration is as it was before. Only a descriptor that was closed is no longer registered
  /// (``MultiplexError/Reason/notOpen``). Nothing is closed either way.
  ///
  /// - Parameters:
  ///   - descriptor: One that is registered.
  ///   - interest: Takes the place of the one before; it isn't added to it.
  ///   - mode: As it was unless given.
  ///   - token: As it was unless given. Events that have been found, and not yet visited, come with the new one.
  /// - Throws: ``MultiplexError/Reason/notRegistered``, and as ``register(_:for:mode:token:)`` does.
  public func modify(
    _ descriptor: borrowing some Selectable & ~Copyable, for interest: Interest, mode: TriggerMode? = nil,
    token: UInt64? = nil
  ) throws(MultiplexError) {
    let (implementation, previous) = try registered(descriptor.fileDescriptor, for: "Poller.modify")
    var registration = previous.armed(for: interest, mode: mode ?? previous.mode)
    registration.token = token ?? previous.token
    try replace(previous, by: registration, in: implementation) { () throws(MultiplexError) in
      try implementation.modify(registration, replacing: previous)
    }
  }

  /// Waits for one event of a descriptor: a ``modify(_:for:mode:token:)`` to one-shot mode that trusts its caller.
  ///
  /// One that was handed over isn't looked at by poll and select, as nobody else closes it, which saves a call per event: if
  /// somebody has, the next wait reports it as ``Readiness/invalid``.
  package func rearm(_ descriptor: FileDescriptor, for interest: Interest) throws(MultiplexError) {
    let (implementation, previous) = try registered(descriptor, for: "Poller.rearm")
    let registration = previous.armed(for: interest, mode: .oneShot)
    try replace(previous, by: registration, in: implementation) { () throws(MultiplexError) in
      try implementation.rearm(registration, replacing: previous)
    }
  }

  /// Forgets a descriptor, and closes it if it was handed over. Events that were pending for it are dropped.
  ///
  /// It is no error if the descriptor was closed, or its number taken by another file, in the meantime. A ``Socket`` that
  /// was closed has no number any more: unregister it before, or by the descriptor that it had.
  ///
  /// - Throws: ``MultiplexError/Reason/notRegistered``; ``MultiplexError/Reason/closed``.
  public func unregister(_ descriptor: borrowing some Selectable & ~Copyable) throws(MultiplexError) {
    let (implementation, registration) = try registered(descriptor.fileDescriptor, for: "Poller.unregister")
    forget(registration, in: implementation)
    if registration.isOwned { _ = OwnedDescriptor(adopting: registration.descriptor) }
  }

  /// Forgets a descriptor as ``unregister(_:)`` does. One that was handed over has no duplicate: then the kernel forgets it
  /// by itself when it is closed, which may save a call.
  ///
  /// If there is a duplicate all the same, edges of other descriptors may come once more.
  package func unregister(unshared descriptor: FileDescriptor) throws(MultiplexError) {
    let (implementation, registration) = try registered(descriptor, for: "Poller.unregister")
    guard registration.isOwned else { return forget(registration, in: implementation) }
    implementation.removeClosing(registration)
    forget(registration)
    _ = OwnedDescriptor(adopting: registration.descriptor)
  }

  /// Forgets a descriptor that was handed over, and gives it back.
  ///
  /// - Throws: ``MultiplexError/Reason/notRegistered`` also for a descriptor that is registered, but was only lent.
  public func take(_ descriptor: FileDescriptor) throws(MultiplexError) -> OwnedDescriptor {
    let (implementation, registration) = try registered(descriptor, for: "Poller.take")
    guard registration.isOwned else {
      throw MultiplexError(
        call: "Poller.take", descriptor: descriptor, reason: .notRegistered, errno: .noSuchFileOrDirectory,
        advice: "the descriptor was only lent to the poller: unregister it")
    }
    forget(registration, in: implementation)
    return OwnedDescriptor(adopting: descriptor)
  }

  private func add(
    _ descriptor: FileDescriptor, _ interest: Interest, _ mode: TriggerMode, _ token: UInt64, isOwned: Bool
  ) throws(MultiplexError) {
    let implementation = try requireOpen(for: "Poller.register")
    try descriptor.requireNumber(for: "Poller.register")
    guard registry[descriptor.rawValue] == nil else {
      throw MultiplexError(
        call: "Poller.register", descriptor: descriptor, reason: .alreadyRegistered, errno: .fileExists,
        advice: "modify the registration, or unregister it first")
    }
    let registration = registry.makeRegistration(
      of: descriptor.rawValue, interest: interest, mode: mode, token: token, isOwned: isOwned)
    try implementation.add(registration)
    registry.insert(registration)
  }

  private func replace(
    _ previous: Registration, by registration: Registration, in implementation: any ReadinessBackend,
    _ body: () throws(MultiplexError) -> Void
  ) throws(MultiplexError) {
    do {
      try body()
    } catch {
      // One that isn't open isn't to be closed either: the number may be somebody else's at any moment.
      if error.reason == .notOpen { forget(previous, in: implementation) }
      throw error
    }
    registry.update(registration)
    hasChanges = true
  }

  private func forget(_ registration: Registration, in implementation: any ReadinessBackend) {
    implementation.remove(registration)
    forget(registration)
  }

  private func forget(_ registration: Registration) {
    registry.remove(registration.descriptor)
    hasChanges = true
  }

  private func registered(
    _ descriptor: FileDescriptor, for call: String
  ) throws(MultiplexError) -> (any ReadinessBackend, Registration) {
    let implementation = try requireOpen(for: call)
    guard descriptor.rawValue != waker.rawDescriptor, let registration = registry[descriptor.rawValue] else {
      throw refusal(of: descriptor, for: call)
    }
    return (implementation, registration)
  }

  /// Why nothing can be done about a descriptor that isn't registered.
  @usableFromInline
  func refusal(of descriptor: FileDescriptor, for call: String) -> MultiplexError {
    if isClosed { return .closed("poller", for: call) }
    guard descriptor.rawValue == noDescriptor else { return .notRegistered(descriptor, for: call) }
    return .closed(
      "socket", for: call, descriptor: descriptor,
      advice: "unregister a socket before it is closed, or by the descriptor that it had")
  }

  /// Whether a descriptor is registered.
  @usableFromInline
  func isRegistered(_ descriptor: FileDescriptor) -> Bool { registry[descriptor.rawValue] != nil }
}
