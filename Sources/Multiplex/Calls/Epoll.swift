internal import CMultiplex
public import SystemPackage

/// An epoll instance: the counterpart of Python's `select.epoll()`, with every flag that the kernel has.
///
/// The kernel keeps the set of descriptors, so the cost of a wait grows only with the number of those that are ready.
/// Remove a descriptor before it is closed: if a duplicate is still open, the kernel goes on reporting it, and it can
/// no longer be removed. ``Poller`` takes care of that, of stale events, and of the other backends.
///
/// An instance may be used by one thread at a time. Others may use the same set through ``init(fromDescriptor:)``.
///
/// Corresponding C functions: `epoll_create1`, `epoll_ctl`, `epoll_wait`, `epoll_pwait2`.
@safe
public final class Epoll: Selectable {
  /// A descriptor that is ready, and for what.
  public struct Event: Hashable, Sendable {
    /// What it is ready for.
    public let events: EpollEvents
    /// The number that the descriptor was registered with.
    public let data: UInt64
  }

  /// The most events that one wait returns, however many are asked for: the others come first in the next.
  private static let largestBatch = 65_536

  private var descriptor: OwnedDescriptor?
  // Read at each wait, where a check for overlapping accesses would cost more than everything else here.
  /// The instance's own descriptor, which can be waited for like any other; -1 once the instance is closed.
  @safe @exclusivity(unchecked) public private(set) var fileDescriptor: FileDescriptor
  /// Filled by the kernel, and private: an array would be checked for shared ownership at each wait.
  private var buffer = unsafe UnsafeMutableBufferPointer<epoll_event>(start: nil, count: 0)
  private var hasNanoseconds = true

  /// Makes an instance without descriptors, close-on-exec.
  ///
  /// - Throws: ``MultiplexError/Reason/openFileLimit``.
  public init() throws(MultiplexError) {
    let descriptor = OwnedDescriptor(adopting: try calling("epoll_create1", Kernel.epollCreate()))
    fileDescriptor = descriptor.fileDescriptor
    self.descriptor = consume descriptor
  }

  /// Shares the set of another instance: what one adds, the other waits for. Each is closed separately.
  ///
  /// - Parameter descriptor: An epoll instance's descriptor; it is duplicated.
  /// - Throws: ``MultiplexError/Reason/notOpen``; ``MultiplexError/Reason/openFileLimit``.
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
  ///   - descriptor: It is borrowed: unregister it before it is closed.
  ///   - events: What to watch for, and the modes. `[]` still reports errors and hang-ups, again on each wait.
  ///   - data: Returned with each event; the descriptor's number by default.
  /// - Throws: ``MultiplexError/Reason/alreadyRegistered``; ``MultiplexError/Reason/notPollable`` for regular files;
  ///   ``MultiplexError/Reason/notOpen``; ``MultiplexError/Reason/closed`` when the instance is closed; ENOMEM; ENOSPC
  ///   (`fs.epoll.max_user_watches`).
  public func register(
    _ descriptor: borrowing some Selectable & ~Copyable, for events: EpollEvents, data: UInt64? = nil
  ) throws(MultiplexError) {
    try control(EPOLL_CTL_ADD, descriptor.fileDescriptor, events, data)
  }

  /// Changes what a descriptor is watched for, its modes and its data; re-arms it after a one-shot event.
  ///
  /// - Throws: ``MultiplexError/Reason/notRegistered``, and as ``register(_:for:data:)`` does.
  public func modify(
    _ descriptor: borrowing some Selectable & ~Copyable, for events: EpollEvents, data: UInt64? = nil
  ) throws(MultiplexError) {
    try control(EPOLL_CTL_MOD, descriptor.fileDescriptor, events, data)
  }

  /// Stops watching a descriptor.
  ///
  /// - Throws: ``MultiplexError/Reason/notRegistered``; ``MultiplexError/Reason/notOpen`` if it was closed before.
  public func unregister(_ descriptor: borrowing some Selectable & ~Copyable) throws(MultiplexError) {
    try control(EPOLL_CTL_DEL, descriptor.fileDescriptor, [], nil)
  }

  /// Waits until a descriptor is ready, or the time is up. An interruption by a signal doesn't end the wait.
  ///
  /// - Parameters:
  ///   - timeout: nil and negative values wait without limit, as in C; zero doesn't wait. Exact to the nanosecond from
  ///     Linux 5.11 on, rounded up to milliseconds before.
  ///   - maximumEvents: The most events to return, at least 1; one wait never returns more than 65,536. The others come
  ///     first in the next wait.
  /// - Returns: The events; none when the time is up.
  /// - Throws: ``MultiplexError/Reason/invalidArgument`` if `maximumEvents` is below 1;
  ///   ``MultiplexError/Reason/closed``.
  public func wait(timeout: Duration? = nil, maximumEvents: Int = 1024) throws(MultiplexError) -> [Event] {
    try checkOpen("epoll_wait")
    guard maximumEvents > 0 else {
      throw .outOfRange("maximumEvents \(maximumEvents)", for: "epoll_wait", advice: "ask for at least one event")
    }
    let deadline = Deadline(cTimeout: timeout)
    let limit = min(maximumEvents, Self.largestBatch)
    var count = 0
    repeat {
      count = try calling(
        "epoll_wait", on: fileDescriptor,
        deadline.resuming { (remaining) throws(Errno) in try wait(timeout: remaining, atMost: limit) })
      // A wait in milliseconds can't last longer than 24 days.
    } while count == 0 && deadline.remaining != .zero
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
    try calling(
      "epoll_ctl", on: target,
      control(operation, target.rawValue, events, data ?? UInt64(UInt32(bitPattern: target.rawValue))))
  }

  private func checkOpen(_ call: String) throws(MultiplexError) {
    guard isClosed else { return }
    throw .closed("epoll instance", for: call)
  }
}

// MARK: - For the backends

extension Epoll {
  /// Calls `epoll_ctl` once, and throws the kernel's own error.
  func control(_ operation: Int32, _ fd: Int32, _ events: EpollEvents, _ data: UInt64) throws(Errno) {
    let event = unsafe epoll_event(events: events.rawValue, data: epoll_data_t(u64: data))
    try unsafe Kernel.epollControl(rawDescriptor, operation, fd, event)
  }

  /// Replaces the set with an empty one. The descriptor keeps its number, which others may be waiting for.
  func startOver() throws(MultiplexError) {
    let replacement = try Epoll()
    try calling("dup3", on: fileDescriptor, Kernel.duplicate(replacement.rawDescriptor, as: rawDescriptor))
  }

  /// Waits once. The events stay in the instance until the next wait: see ``forEachEvent(_:_:)``.
  ///
  /// - Parameter timeout: nil waits without limit.
  /// - Returns: The number of events.
  func wait(timeout: Duration?, atMost limit: Int) throws(Errno) -> Int {
    makeRoom(for: limit)
    let events = unsafe UnsafeMutableBufferPointer(rebasing: buffer[..<limit])
    guard let timeout else { return Int(try unsafe Kernel.epollWait(rawDescriptor, events, milliseconds: -1)) }
    // Zero needs no nanoseconds, and epoll_wait is the cheaper call.
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
  /// - Parameter count: How many there are, as returned by the wait.
  func forEachEvent(_ count: Int, _ body: (Event) -> Void) {
    for index in 0..<count {
      // `control` has stored a number in the union.
      let event = unsafe buffer[index]
      unsafe body(Event(events: EpollEvents(rawValue: event.events), data: event.data.u64))
    }
  }
}
