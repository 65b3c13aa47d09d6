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
  /// A registered descriptor.
  public struct Registration {
    /// The descriptor.
    public let descriptor: FileDescriptor
    /// What it is watched for.
    public let interest: Interest
    /// When it is reported.
    public let mode: TriggerMode
    /// What the caller keeps with it.
    public let attachment: Attachment

    @usableFromInline
    init(descriptor: FileDescriptor, interest: Interest, mode: TriggerMode, attachment: Attachment) {
      self.descriptor = descriptor
      self.interest = interest
      self.mode = mode
      self.attachment = attachment
    }
  }

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
  public var backend: Poller.Backend { poller.backend }

  /// Ends a wait from any thread.
  public var waker: Waker { poller.waker }

  /// Whether ``close()`` has been called.
  public var isClosed: Bool { poller.isClosed }

  /// Forgets all descriptors and attachments, and closes the descriptors that were handed over. Further calls do nothing.
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

  /// The registration of a descriptor; nil if it isn't registered.
  @inlinable
  public subscript(_ descriptor: some Selectable) -> Registration? {
    table[descriptor.fileDescriptor.rawValue]
  }

  /// A live, read-only view of what is registered.
  public struct Registrations: Sequence {
    @usableFromInline let multiplexer: Multiplexer

    @usableFromInline
    init(multiplexer: Multiplexer) {
      self.multiplexer = multiplexer
    }

    /// How many descriptors are registered.
    public var count: Int { multiplexer.table.count }

    /// Whether no descriptor is registered.
    public var isEmpty: Bool { count == 0 }

    /// The registration of a descriptor; nil if it isn't registered.
    @inlinable
    public subscript(_ descriptor: FileDescriptor) -> Registration? { multiplexer[descriptor] }

    /// Visits the registrations of this moment, in no particular order; they may change meanwhile.
    @inlinable
    public func makeIterator() -> some IteratorProtocol<Registration> {
      multiplexer.table.values.makeIterator()
    }
  }
}

extension Multiplexer.Registrations where Attachment: Equatable {
  /// The registrations that an attachment is kept with, found by looking at all of them.
  @inlinable
  public func attached(to attachment: Attachment) -> [Multiplexer.Registration] {
    filter { $0.attachment == attachment }
  }
}

// MARK: - Waiting

extension Multiplexer {
  /// A registered descriptor that is ready.
  public struct Event {
    /// The descriptor, and what is kept with it.
    public let registration: Registration
    /// What it is ready for; never empty.
    public let readiness: Readiness

    @usableFromInline
    init(registration: Registration, readiness: Readiness) {
      self.registration = registration
      self.readiness = readiness
    }

    /// Whether a read returns at once: with bytes, the end of input, or an error.
    @inlinable
    public var isReadable: Bool { readiness.isReadable }

    /// Whether a write returns at once: with bytes taken, or an error.
    @inlinable
    public var isWritable: Bool { readiness.isWritable }
  }

  /// What one wait has found: see ``Poller/Events``.
  public struct Events: Sequence {
    @usableFromInline let multiplexer: Multiplexer
    @usableFromInline let events: Poller.Events

    @usableFromInline
    init(multiplexer: Multiplexer, events: Poller.Events) {
      self.multiplexer = multiplexer
      self.events = events
    }

    /// Whether ``Waker/wake()`` was called since the wait before.
    public var wasWoken: Bool { events.wasWoken }

    /// Whether there is no event, or none is left.
    public var isEmpty: Bool { events.isEmpty }

    /// Visits the events that are still due.
    @inlinable
    public func makeIterator() -> Iterator {
      Iterator(multiplexer: multiplexer, events: events.makeIterator())
    }

    /// Goes through the events of one wait.
    public struct Iterator: IteratorProtocol {
      @usableFromInline let multiplexer: Multiplexer
      @usableFromInline var events: Poller.Events.Iterator

      @usableFromInline
      init(multiplexer: Multiplexer, events: Poller.Events.Iterator) {
        self.multiplexer = multiplexer
        self.events = events
      }

      /// The next event whose descriptor is registered as it was when the event was found.
      @inlinable
      public mutating func next() -> Event? {
        while let event = events.next() {
          guard let registration = multiplexer.table[event.descriptor.rawValue] else { continue }
          return Event(registration: registration, readiness: event.readiness)
        }
        return nil
      }
    }
  }

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
