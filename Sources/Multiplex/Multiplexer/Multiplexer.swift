public import SystemPackage

/// Waits for many descriptors at once, and keeps a value of the caller's with each: the counterpart of Python's
/// `selectors`.
///
///     let multiplexer = try Multiplexer<Connection>()
///     try multiplexer.register(socket, for: .read, attachment: connection)
///     for event in try multiplexer.wait() { event.registration.attachment.handle(event) }
///
/// What ``Poller`` says about modes, closed descriptors, threads and errors holds here too.
///
/// Everything but the initializer is inlinable, so that attachments cost no more than a table of the program's own.
public final class Multiplexer<Attachment> {
  @usableFromInline let poller: Poller
  // Read for each event, where the runtime's check for overlapping accesses would cost as much as the rest of the
  // visit. No accesses overlap as long as none of the caller's code runs during one. An attachment's deinit might, and
  // might call this multiplexer: so an attachment is kept alive until the access that removes it is over.
  @safe @exclusivity(unchecked) @usableFromInline var table = DescriptorTable<Registration>()

  /// Makes a multiplexer without descriptors.
  ///
  /// - Parameter backend: How to wait.
  /// - Throws: Why the backend doesn't work here: see ``Poller/init(backend:)``.
  public init(backend: Poller.Backend = .automatic) throws(MultiplexError) {
    poller = try Poller(backend: backend)
  }

  /// How this multiplexer waits.
  @inlinable
  public var backend: Poller.Backend { poller.backend }

  /// Ends a wait from any thread.
  @inlinable
  public var waker: Waker { poller.waker }

  /// Whether ``close()`` has been called.
  @inlinable
  public var isClosed: Bool { poller.isClosed }

  /// Removes all registrations, and closes the descriptors that were handed over. Further calls do nothing.
  @inlinable
  public func close() {
    poller.close()
    let removed = table
    table = DescriptorTable()
    withExtendedLifetime(removed) {}
  }

  /// Adds, replaces or removes a registration. The previous attachment is released after that: see `table`.
  @inlinable
  func set(_ descriptor: FileDescriptor, _ registration: Registration?) {
    let previous = table[descriptor.rawValue]
    table[descriptor.rawValue] = registration
    withExtendedLifetime(previous) {}
  }
}

// MARK: - Registering

extension Multiplexer {
  /// Watches a borrowed descriptor: unregister it before it is closed.
  ///
  /// - Throws: As ``Poller/register(_:for:mode:token:)`` does. A failed registration leaves nothing behind.
  @inlinable
  public func register(
    _ descriptor: borrowing some Selectable & ~Copyable, for interest: Interest, mode: TriggerMode = .level,
    attachment: Attachment
  ) throws(MultiplexError) {
    let key = descriptor.fileDescriptor
    try poller.register(key, for: interest, mode: mode)
    set(key, Registration(descriptor: key, interest: interest, mode: mode, attachment: attachment))
  }

  /// Watches a descriptor and takes ownership of it: it can't be closed while it is registered.
  ///
  /// ``unregister(_:)`` closes it, and so does closing the multiplexer; ``take(_:)`` returns it. A registration that
  /// fails closes it too.
  ///
  /// - Returns: The descriptor, borrowed, for reading and writing.
  /// - Throws: As ``Poller/register(_:for:mode:token:)`` does.
  @inlinable
  @discardableResult
  public func register(
    owning descriptor: consuming OwnedDescriptor, for interest: Interest, mode: TriggerMode = .level,
    attachment: Attachment
  ) throws(MultiplexError) -> FileDescriptor {
    let key = try poller.register(owning: descriptor, for: interest, mode: mode)
    set(key, Registration(descriptor: key, interest: interest, mode: mode, attachment: attachment))
    return key
  }

  /// Changes what a descriptor is watched for, and how; re-arms it after a one-shot event.
  ///
  /// If this fails, the registration is unchanged, unless the descriptor was closed
  /// (``MultiplexError/Reason/notOpen``): then it is no longer registered, and its attachment is released. Nothing is
  /// closed in either case.
  ///
  /// - Throws: As ``Poller/modify(_:for:mode:token:)`` does.
  @inlinable
  public func modify(
    _ descriptor: borrowing some Selectable & ~Copyable, for interest: Interest, mode: TriggerMode? = nil
  ) throws(MultiplexError) {
    let key = descriptor.fileDescriptor
    do {
      try poller.modify(key, for: interest, mode: mode)
    } catch {
      if !poller.isRegistered(key) { set(key, nil) }
      throw error
    }
    guard let previous = table[key.rawValue] else { return }
    let mode = mode ?? previous.mode
    set(key, Registration(descriptor: key, interest: interest, mode: mode, attachment: previous.attachment))
  }

  /// Replaces a descriptor's attachment, without a system call.
  ///
  /// - Throws: ``MultiplexError/Reason/notRegistered``; ``MultiplexError/Reason/closed``.
  @inlinable
  public func modify(
    _ descriptor: borrowing some Selectable & ~Copyable, attachment: Attachment
  ) throws(MultiplexError) {
    let key = descriptor.fileDescriptor
    guard let previous = table[key.rawValue] else { throw poller.refusal(of: key, for: "Multiplexer.modify") }
    set(
      key,
      Registration(descriptor: key, interest: previous.interest, mode: previous.mode, attachment: attachment))
  }

  /// Stops watching a descriptor, and closes it if it was handed over. It is no error if it was closed, or its number
  /// reused, in the meantime.
  ///
  /// - Returns: Its attachment.
  /// - Throws: ``MultiplexError/Reason/notRegistered``; ``MultiplexError/Reason/closed``.
  @inlinable
  @discardableResult
  public func unregister(
    _ descriptor: borrowing some Selectable & ~Copyable
  ) throws(MultiplexError) -> Attachment {
    let key = descriptor.fileDescriptor
    guard let registration = table[key.rawValue] else {
      throw poller.refusal(of: key, for: "Multiplexer.unregister")
    }
    try poller.unregister(key)
    set(key, nil)
    return registration.attachment
  }

  /// Stops watching a descriptor that was handed over, and returns it. Its attachment is released.
  ///
  /// - Throws: ``MultiplexError/Reason/notRegistered``; ``MultiplexError/Reason/invalidArgument`` for a descriptor that
  ///   was only borrowed, or that was reported as ``Readiness/invalid``; ``MultiplexError/Reason/closed``.
  @inlinable
  public func take(_ descriptor: FileDescriptor) throws(MultiplexError) -> OwnedDescriptor {
    let taken = try poller.take(descriptor)
    set(descriptor, nil)
    return taken
  }
}

// MARK: - Looking up

extension Multiplexer {
  /// A live view of the registrations.
  @inlinable
  public var registrations: Registrations { Registrations(multiplexer: self) }

  /// The registration of a descriptor; nil if it isn't registered. For noncopyable values, pass their `fileDescriptor`.
  @inlinable
  public subscript(_ descriptor: some Selectable) -> Registration? {
    table[descriptor.fileDescriptor.rawValue]
  }
}

// MARK: - Waiting

extension Multiplexer {
  /// Waits until a descriptor is ready, the multiplexer is woken, or the time is up: see ``Poller/wait(timeout:)``.
  ///
  /// - Parameter timeout: nil waits without limit; zero or less doesn't wait.
  /// - Returns: The events, valid until the next wait; none when the time is up or the multiplexer was only woken.
  /// - Throws: As ``Poller/wait(timeout:)`` does.
  @inlinable
  public func wait(timeout: Duration? = nil) throws(MultiplexError) -> Events {
    Events(multiplexer: self, events: try poller.wait(timeout: timeout))
  }

  /// Waits as ``wait(timeout:)`` does, until an instant instead of for a duration.
  ///
  /// - Throws: As ``Poller/wait(timeout:)`` does.
  @inlinable
  public func wait(until deadline: ContinuousClock.Instant) throws(MultiplexError) -> Events {
    Events(multiplexer: self, events: try poller.wait(until: deadline))
  }
}

@available(*, unavailable, message: "A multiplexer is used by one thread at a time; use its waker from others")
extension Multiplexer: Sendable {}
