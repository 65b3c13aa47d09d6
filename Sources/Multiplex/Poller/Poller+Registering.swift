public import SystemPackage

extension Poller {
  /// Watches a borrowed descriptor: unregister it before it is closed.
  ///
  /// A failed registration leaves nothing behind.
  ///
  /// - Parameters:
  ///   - descriptor: A socket, a pipe, a terminal, or anything else that can be waited for. Whether it blocks doesn't
  ///     matter and isn't changed.
  ///   - interest: What to watch for. Errors and hang-ups are always reported.
  ///   - mode: When a ready descriptor is reported, and when it is reported again.
  ///   - token: Returned with each event.
  /// - Throws: ``MultiplexError/Reason/alreadyRegistered``; ``MultiplexError/Reason/notOpen``;
  ///   ``MultiplexError/Reason/notPollable`` for regular files with epoll and in edge mode;
  ///   ``MultiplexError/Reason/closed``, for a closed poller or socket. If the kernel is short of something: ENOMEM,
  ///   ENOSPC (`fs.epoll.max_user_watches`), or ``MultiplexError/Reason/openFileLimit``, as edge mode may need a
  ///   descriptor of the poller's own on every backend but epoll.
  public func register(
    _ descriptor: borrowing some Selectable & ~Copyable, for interest: Interest, mode: TriggerMode = .level,
    token: UInt64 = 0
  ) throws(MultiplexError) {
    try add(descriptor.fileDescriptor, interest, mode, token, isOwned: false)
  }

  /// Watches a descriptor and takes ownership of it: it can't be closed while it is registered.
  ///
  /// ``unregister(_:)`` closes it, and so does closing the poller; ``take(_:)`` returns it. A registration that fails
  /// closes it too. If something else closes it nonetheless, by its number, it is the poller's only until that is
  /// reported as ``Readiness/invalid``: the number may belong to another file by then.
  ///
  /// - Returns: The descriptor, borrowed, for reading and writing.
  /// - Throws: As ``register(_:for:mode:token:)`` does.
  @discardableResult
  public func register(
    owning descriptor: consuming OwnedDescriptor, for interest: Interest, mode: TriggerMode = .level,
    token: UInt64 = 0
  ) throws(MultiplexError) -> FileDescriptor {
    try add(descriptor.fileDescriptor, interest, mode, token, isOwned: true)
    return descriptor.release()
  }

  /// Changes what a descriptor is watched for, and how; re-arms it after a one-shot event. In edge mode, what is ready
  /// now counts as new.
  ///
  /// If this fails, the registration is unchanged, unless the descriptor was closed
  /// (``MultiplexError/Reason/notOpen``): then it is no longer registered. Nothing is closed in either case.
  ///
  /// - Parameters:
  ///   - descriptor: A registered descriptor.
  ///   - interest: Replaces the previous interest; it isn't added to it.
  ///   - mode: Unchanged by default.
  ///   - token: Unchanged by default. Events that have been found but not yet visited get the new one.
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
  /// With poll and select, a descriptor that was handed over isn't checked, as nobody else closes it, which saves a
  /// call per event; if somebody has closed it, the next wait reports it as ``Readiness/invalid``.
  package func rearm(_ descriptor: FileDescriptor, for interest: Interest) throws(MultiplexError) {
    let (implementation, previous) = try registered(descriptor, for: "Poller.rearm")
    let registration = previous.armed(for: interest, mode: .oneShot)
    try replace(previous, by: registration, in: implementation) { () throws(MultiplexError) in
      try implementation.rearm(registration, replacing: previous)
    }
  }

  /// Stops watching a descriptor, and closes it if it was handed over, unless it was reported as
  /// ``Readiness/invalid``. Its pending events are dropped.
  ///
  /// It is no error if the descriptor was closed, or its number reused, in the meantime. A closed ``Socket`` no longer
  /// has a number: unregister it before, or by the descriptor that it had.
  ///
  /// - Throws: ``MultiplexError/Reason/notRegistered``; ``MultiplexError/Reason/closed``.
  public func unregister(_ descriptor: borrowing some Selectable & ~Copyable) throws(MultiplexError) {
    let (implementation, registration) = try registered(descriptor.fileDescriptor, for: "Poller.unregister")
    forget(registration, in: implementation)
    if registration.isOwned { _ = OwnedDescriptor(adopting: registration.descriptor) }
  }

  /// Unregisters as ``unregister(_:)`` does, assuming that a descriptor that was handed over has no duplicate. The
  /// kernel then forgets it when it is closed, which may save a call.
  ///
  /// If there is a duplicate nonetheless, edges of other descriptors may be reported once more.
  package func unregister(unshared descriptor: FileDescriptor) throws(MultiplexError) {
    let (implementation, registration) = try registered(descriptor, for: "Poller.unregister")
    guard registration.isOwned else { return forget(registration, in: implementation) }
    implementation.removeClosing(registration)
    forget(registration)
    _ = OwnedDescriptor(adopting: registration.descriptor)
  }

  /// Stops watching a descriptor that was handed over but closed elsewhere: its number isn't ours to close.
  package func unregister(closed descriptor: FileDescriptor) throws(MultiplexError) {
    let (implementation, registration) = try registered(descriptor, for: "Poller.unregister")
    forget(registration, in: implementation)
  }

  /// Stops watching a descriptor that was handed over, and returns it.
  ///
  /// - Throws: ``MultiplexError/Reason/notRegistered``; ``MultiplexError/Reason/invalidArgument`` for a descriptor that
  ///   was only borrowed, or that was reported as ``Readiness/invalid``; ``MultiplexError/Reason/closed``.
  public func take(_ descriptor: FileDescriptor) throws(MultiplexError) -> OwnedDescriptor {
    let (implementation, registration) = try registered(descriptor, for: "Poller.take")
    guard registration.isOwned else {
      throw MultiplexError(
        call: "Poller.take", descriptor: descriptor, reason: .invalidArgument, errno: .invalidArgument,
        advice: "the poller doesn't own the descriptor: it was only borrowed, or was found closed; unregister it")
    }
    forget(registration, in: implementation)
    return OwnedDescriptor(adopting: descriptor)
  }

  private func add(
    _ descriptor: FileDescriptor, _ interest: Interest, _ mode: TriggerMode, _ token: UInt64, isOwned: Bool
  ) throws(MultiplexError) {
    let implementation = try requireOpen(for: "Poller.register")
    try descriptor.requireNumber(for: "Poller.register")
    guard descriptor.rawValue != waker.rawDescriptor else {
      // Registered too, but not by the caller, whose number was closed.
      throw MultiplexError(call: "Poller.register", descriptor: descriptor, errno: .badFileDescriptor)
    }
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
      // A descriptor that isn't open must not be closed either: its number may be reused at any moment.
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

  /// The error for a descriptor that isn't registered.
  @usableFromInline
  func refusal(of descriptor: FileDescriptor, for call: String) -> MultiplexError {
    isClosed ? .closed("poller", for: call) : .notRegistered(descriptor, for: call)
  }

  /// Whether a descriptor is registered.
  @usableFromInline
  func isRegistered(_ descriptor: FileDescriptor) -> Bool { registry[descriptor.rawValue] != nil }
}
