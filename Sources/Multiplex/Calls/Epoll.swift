internal import CMultiplex
public import SystemPackage

/// An epoll instance: the counterpart of Python's `select.epoll()`, with every flag that the kernel has.
///
/// Linux keeps the set of descriptors, so that a wait costs time in proportion to those that are ready. Remove a
/// descriptor before it is closed: if a duplicate lives on, the kernel goes on reporting it, and it can't be removed
/// any more. ``Poller`` takes care of that, of stale events, and of the other backends.
///
/// An instance is used by one thread at a time. Others may use the same set through ``init(fromDescriptor:)``.
///
/// Corresponding C functions: `epoll_create1`, `epoll_ctl`, `epoll_wait`, `epoll_pwait2`.
@safe
public final class Epoll: Selectable {
  /// A descriptor that is ready, and for what.
  public struct Event: Hashable, Sendable {
    /// What it is ready for.
    public let events: EpollEvents
    /// The number that was given with the descriptor.
    public let data: UInt64
  }

  /// What one wait returns at most, however many are asked for: the rest comes first the next time.
  private static let largestBatch = 65_536

  private var descriptor: OwnedDescriptor?
  // Read at each wait, where a check for overlapping accesses would cost more than all the rest here.
  /// The instance's own descriptor, which can be waited for like any other; -1 once the instance is closed.
  @safe @exclusivity(unchecked) public private(set) var fileDescriptor: FileDescriptor
  /// What the kernel fills, and nobody else sees: an array would be checked at each wait for who shares it.
  private var buffer = unsafe UnsafeMutableBufferPointer<epoll_event>(start: nil, count: 0)
  private var hasNanoseconds = true

  /// Makes an instance without descriptors, close-on-exec.
  public init() throws(MultiplexError) {
    do {
      let descriptor = OwnedDescriptor(adopting: try Kernel.epollCreate())
      self.fileDescriptor = descriptor.fileDescriptor
      self.descriptor = consume descriptor
    } catch {
      throw MultiplexError(call: "epoll_create1", errno: error)
    }
  }

  /// Shares the set of another instance: what one adds, the other waits for. Each is closed by itself.
  ///
  /// - Parameter descriptor: An epoll instance's descriptor; it is duplicated.
  public init(fromDescriptor descriptor: FileDescriptor) throws(MultiplexError) {
    let duplicate = try OwnedDescriptor(duplicating: descriptor)
    self.fileDescriptor = duplicate.fileDescriptor
    self.descriptor = consume duplicate
  }

  deinit {
    unsafe buffer.deallocate()
  }

  /// Whether ``close()`` has been called.
  public var isClosed: Bool { fileDescriptor.rawValue < 0 }

  /// Closes the instance; further calls do nothing.
  public func close() {
    descriptor = nil
    fileDescriptor = FileDescriptor(rawValue: noDescriptor)
  }

  /// Watches a descriptor.
  ///
  /// - Parameters:
  ///   - descriptor: It is lent: unregister it before it is closed.
  ///   - events: What to watch for, and the modes. `[]` still reports errors and hang-ups, again on each wait.
  ///   - data: Comes back with each event; the descriptor's number unless given.
  /// - Throws: ``MultiplexError/Reason/alreadyRegistered``; ``MultiplexError/Reason/notPollable`` for regular files;
  ///   ``MultiplexError/Reason/notOpen``; ``MultiplexError/Reason/closed`` when the instance is closed.
  public func register(
    _ descriptor: borrowing some Selectable & ~Copyable, for events: EpollEvents, data: UInt64? = nil
  ) throws(MultiplexError) {
    try control(EPOLL_CTL_ADD, descriptor.fileDescriptor, events, data)
  }

  /// Replaces what a descriptor is watched for, its modes and its number; re-arms it after a one-shot event.
  ///
  /// - Throws: ``MultiplexError/Reason/notRegistered``, and as ``register(_:for:data:)`` does.
  public func modify(
    _ descriptor: borrowing some Selectable & ~Copyable, for events: EpollEvents, data: UInt64? = nil
  ) throws(MultiplexError) {
    try control(EPOLL_CTL_MOD, descriptor.fileDescriptor, events, data)
  }

  /// Forgets a descriptor.
  ///
  /// - Throws: ``MultiplexError/Reason/notRegistered``; ``MultiplexError/Reason/notOpen`` if it was closed before.
  public func unregister(_ descriptor: borrowing some Selectable & ~Copyable) throws(MultiplexError) {
    try control(EPOLL_CTL_DEL, descriptor.fileDescriptor, [], nil)
  }

  /// Waits until a descriptor is ready, or the time is up. An interruption by a signal doesn't end the wait.
  ///
  /// - Parameters:
  ///   - timeout: nil and negative values wait without limit, as in C; zero doesn't wait. Kept to the nanosecond
  ///     where the kernel can (Linux 5.11), rounded up to milliseconds elsewhere.
  ///   - maximumEvents: The most events to return, at least 1; one wait never returns more than 65,536. Those left over
  ///     come first the next time.
  /// - Throws: ``MultiplexError/Reason/invalidArgument`` where `maximumEvents` is below 1;
  ///   ``MultiplexError/Reason/closed``.
  public func wait(timeout: Duration? = nil, maximumEvents: Int = 1024) throws(MultiplexError) -> [Event] {
    try checkOpen("epoll_wait")
    guard maximumEvents > 0 else {
      throw .outOfRange("maximumEvents \(maximumEvents)", for: "epoll_wait", advice: "ask for at least one event")
    }
    let deadline = Deadline(cTimeout: timeout)
    let limit = min(maximumEvents, Self.largestBatch)
    var count = 0
    do {
      repeat {
        count = try deadline.resuming { (remaining) throws(Errno) in try wait(timeout: remaining, atMost: limit) }
        // A wait in milliseconds can't last longer than 24 days.
      } while count == 0 && deadline.remaining != .zero
    } catch {
      throw MultiplexError(call: "epoll_wait", descriptor: fileDescriptor, errno: error)
    }
    var events: [Event] = []
    events.reserveCapacity(count)
    forEachEvent(count) { events.append($0) }
    return events
  }

  private func control(
    _ operation: Int32, _ target: FileDescriptor, _ events: EpollEvents, _ data: UInt64?
  ) throws(MultiplexError) {
    try checkOpen("epoll_ctl")
    try target.requireNumber(for: "epoll_ctl")
    do {
      try control(operation, target.rawValue, events, data ?? UInt64(UInt32(bitPattern: target.rawValue)))
    } catch {
      throw MultiplexError(call: "epoll_ctl", descriptor: target, errno: error)
    }
  }

  private func checkOpen(_ call: String) throws(MultiplexError) {
    guard isClosed else { return }
    throw .closed("epoll instance", for: call)
  }
}

// MARK: - For the backends

extension Epoll {
  /// One `epoll_ctl`, as the kernel answers it.
  func control(_ operation: Int32, _ fd: Int32, _ events: EpollEvents, _ data: UInt64) throws(Errno) {
    let event = unsafe epoll_event(events: events.rawValue, data: epoll_data_t(u64: data))
    try unsafe Kernel.epollControl(rawDescriptor, operation, fd, event)
  }

  /// Replaces the set by an empty one. The descriptor keeps its number, which others may be waiting for.
  func startOver() throws(MultiplexError) {
    let replacement = try Epoll()
    do {
      try Kernel.duplicate(replacement.rawDescriptor, as: rawDescriptor)
    } catch {
      throw MultiplexError(call: "dup3", descriptor: fileDescriptor, errno: error)
    }
  }

  /// One wait. The events stay in the instance until the next: see ``forEachEvent(_:_:)``.
  ///
  /// - Parameter timeout: nil waits without limit.
  /// - Returns: The number of events.
  func wait(timeout: Duration?, atMost limit: Int) throws(Errno) -> Int {
    makeRoom(for: limit)
    let events = unsafe UnsafeMutableBufferPointer(rebasing: buffer[..<limit])
    guard let timeout else { return Int(try unsafe Kernel.epollWait(rawDescriptor, events, milliseconds: -1)) }
    // Milliseconds say zero just as well, and epoll_wait is the cheaper call.
    guard timeout > .zero, hasNanoseconds else {
      return Int(try unsafe Kernel.epollWait(rawDescriptor, events, milliseconds: Timeout.milliseconds(timeout)))
    }
    do {
      return Int(try unsafe Kernel.epollPwait2(rawDescriptor, events, Timeout.timespec(timeout)))
    } catch Errno.noFunction, Errno.notPermitted {
      // A kernel before 5.11, or a sandbox that doesn't know the call.
      hasNanoseconds = false
      return Int(try unsafe Kernel.epollWait(rawDescriptor, events, milliseconds: Timeout.milliseconds(timeout)))
    }
  }

  private func makeRoom(for limit: Int) {
    guard unsafe buffer.count < limit else { return }
    unsafe buffer.deallocate()
    unsafe buffer = .allocate(capacity: limit)
  }

  /// Visits the events of the last wait.
  ///
  /// - Parameter count: How many there are, as the wait returned.
  func forEachEvent(_ count: Int, _ body: (Event) -> Void) {
    for index in 0..<count {
      // The union holds what `control` has put there: the number.
      let event = unsafe buffer[index]
      unsafe body(Event(events: EpollEvents(rawValue: event.events), data: event.data.u64))
    }
  }
}
