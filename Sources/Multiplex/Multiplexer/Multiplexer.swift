public import SystemPackage

/// Waits for many descriptors at once and keeps something of the caller's with each: the counterpart of Python's
/// `selectors`.
///
///     let multiplexer = try Multiplexer<Connection>()
///     try multiplexer.register(socket, for: .read, attachment: connection)
///     for event in try multiplexer.wait() { event.registration.attachment.handle(event) }
///
/// What ``Poller`` says about modes, closed descriptors, threads and errors holds here too.
///
/// All but the making is inlinable: a program's own attachments are to cost it no more than a table of its own would.
public final class Multiplexer<Attachment> {
  @usableFromInline let poller: Poller
  // Looked at for each event, where the runtime's check for overlapping accesses would cost as much as the rest of the
  // visit. None can overlap if nothing of the caller's runs during one. An attachment's deinit would: it may come back
  // here, so an attachment is held until the access that removes it is over.
  @safe @exclusivity(unchecked) @usableFromInline var table = DescriptorTable<Registration>()

  /// Makes a multiplexer without descriptors.
  ///
  /// - Throws: What keeps the backend from working here: see ``Poller/init(backend:)``.
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

  /// Forgets all descriptors and attachments, and closes the descriptors that were handed over. Further calls do nothing.
  @inlinable
  public func close() {
    poller.close()
    let removed = table
    table = DescriptorTable()
    withExtendedLifetime(removed) {}
  }

  /// Registers a descriptor, anew or no more. What was kept with it is let go of after that: see `table`.
  @inlinable
  func set(_ descriptor: FileDescriptor, _ registration: Registration?) {
    let previous = table[descriptor.rawValue]
    table[descriptor.rawValue] = registration
    withExtendedLifetime(previous) {}
  }
}

// MARK: - Registering

extension Multiplexer {
  /// Watches a descriptor, which is lent: unregister it before it is closed.
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

  /// Watches a descriptor and takes it over: it can't be closed while it is registered.
  ///
  /// ``unregister(_:)`` closes it, and so does closing the multiplexer; ``take(_:)`` gives it back. A registration that
  /// fails closes it too.
  ///
  /// - Returns: The descriptor, lent, for reading and writing.
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

  /// Replaces what a descriptor is watched for, and how; arms it again after a one-shot event.
  ///
  /// If it fails, the registration is as it was before. Only a descriptor that was closed is no longer registered
  /// (``MultiplexError/Reason/notOpen``), and what was kept with it is let go of. Nothing is closed either way.
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

  /// Replaces what is kept with a descriptor, without a system call.
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

  /// Forgets a descriptor, and closes it if it was handed over. It is no error if it was closed, or its number taken by
  /// another file, in the meantime.
  ///
  /// - Returns: What was kept with it.
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

  /// Forgets a descriptor that was handed over, and gives it back. What was kept with it is let go of.
  ///
  /// - Throws: ``MultiplexError/Reason/notRegistered`` also for a descriptor that is registered, but was only lent.
  @inlinable
  public func take(_ descriptor: FileDescriptor) throws(MultiplexError) -> OwnedDescriptor {
    let taken = try poller.take(descriptor)
    set(descriptor, nil)
    return taken
  }
}

// MARK: - Looking up

extension Multiplexer {
  /// The registrations by descriptor: a view that shows what is registered at the time it is read.
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
  /// Waits until a descriptor is ready, somebody wakes the multiplexer, or the time is up: see ``Poller/wait(timeout:)``.
  @inlinable
  public func wait(timeout: Duration? = nil) throws(MultiplexError) -> Events {
    Events(multiplexer: self, events: try poller.wait(timeout: timeout))
  }

  /// Waits until a moment instead of for a time.
  @inlinable
  public func wait(until deadline: ContinuousClock.Instant) throws(MultiplexError) -> Events {
    Events(multiplexer: self, events: try poller.wait(until: deadline))
  }
}

@available(*, unavailable, message: "A multiplexer is used by one thread at a time; its waker is for the others")
extension Multiplexer: Sendable {}
