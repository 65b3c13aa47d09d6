public import SystemPackage

/// Descriptors to wait for with poll: the counterpart of Python's `select.poll()`.
///
/// A set is a value. Waiting changes it, so the compiler keeps two threads from waiting on one set at a time.
///
/// The cost of every wait grows with the number of descriptors, which only the process's open-file limit bounds.
public struct PollSet: Sendable {
  /// A descriptor that is ready, and for what.
  public struct Event: Hashable, Sendable {
    /// The descriptor as it was registered.
    public let descriptor: FileDescriptor
    /// What it is ready for; never empty.
    public let events: PollEvents
  }

  private var entries = PollEntries()
  /// Where each descriptor's entry is.
  private var positions: [Int32: Int] = [:]

  /// A set without descriptors.
  public init() {}

  /// How many descriptors are registered.
  public var count: Int { entries.count }

  /// Whether no descriptor is registered.
  public var isEmpty: Bool { count == 0 }

  /// Watches a descriptor. If it is already registered, replaces its events.
  ///
  /// Without events (`[]`), errors and hang-ups are still reported, again on each wait.
  ///
  /// - Throws: ``MultiplexError/Reason/closed`` for -1, the descriptor of a closed ``Socket`` for example;
  ///   ``MultiplexError/Reason/notOpen`` for other negative descriptors. ``poll(timeout:)`` reports a positive one that
  ///   isn't open as ``PollEvents/invalid``.
  public mutating func register(
    _ descriptor: borrowing some Selectable & ~Copyable, for events: PollEvents
  ) throws(MultiplexError) {
    let fd = descriptor.rawDescriptor
    try descriptor.requireNumber(for: "PollSet.register")
    if let position = positions[fd] {
      entries.replace(at: position, fd, for: events)
    } else {
      positions[fd] = entries.count
      entries.append(fd, for: events)
    }
  }

  /// Watches a registered descriptor for other events.
  ///
  /// - Throws: As ``unregister(_:)`` does.
  public mutating func modify(
    _ descriptor: borrowing some Selectable & ~Copyable, for events: PollEvents
  ) throws(MultiplexError) {
    let position = try position(of: descriptor.fileDescriptor, for: "PollSet.modify")
    entries.replace(at: position, descriptor.rawDescriptor, for: events)
  }

  /// Stops watching a descriptor, open or not. A closed ``Socket`` no longer has a number: unregister it before, or by
  /// the descriptor that it had.
  ///
  /// - Throws: ``MultiplexError/Reason/notRegistered``; ``MultiplexError/Reason/closed`` for a closed socket.
  public mutating func unregister(_ descriptor: borrowing some Selectable & ~Copyable) throws(MultiplexError) {
    let position = try position(of: descriptor.fileDescriptor, for: "PollSet.unregister")
    positions[descriptor.rawDescriptor] = nil
    guard let moved = entries.remove(at: position) else { return }
    positions[moved] = position
  }

  /// Waits until a descriptor is ready or the time is up.
  ///
  /// An interruption by a signal doesn't end the wait: it continues with the time left.
  ///
  /// Corresponding C function: `ppoll`.
  ///
  /// - Parameter timeout: nil and negative values wait without limit, as in C; zero doesn't wait.
  /// - Returns: The descriptors that are ready, each once; none when the time is up.
  /// - Throws: ``MultiplexError/Reason/invalidArgument`` for more descriptors than the process may have open; `ENOMEM`.
  public mutating func poll(timeout: Duration? = nil) throws(MultiplexError) -> [Event] {
    let deadline = Deadline(cTimeout: timeout)
    let count: Int
    count = try calling("ppoll", deadline.resuming { (remaining) throws(Errno) in try wait(timeout: remaining) })
    var events: [Event] = []
    events.reserveCapacity(count)
    forEachReady(count) { fd, found in
      events.append(Event(descriptor: FileDescriptor(rawValue: fd), events: found))
    }
    return events
  }

  private func position(of descriptor: FileDescriptor, for call: String) throws(MultiplexError) -> Int {
    guard let position = positions[descriptor.rawValue] else {
      throw .notRegistered(descriptor, for: call)
    }
    return position
  }
}

// MARK: - For the backends

extension PollSet {
  /// Calls poll once. Its results stay in the set: see ``forEachReady(_:_:)``.
  mutating func wait(timeout: Duration?) throws(Errno) -> Int {
    try entries.wait(timeout: timeout)
  }

  /// Visits the descriptors that the last wait found ready.
  ///
  /// - Parameter count: How many there are, as returned by the wait: the search ends with the last of them.
  func forEachReady(_ count: Int, _ body: (Int32, PollEvents) -> Void) {
    entries.forEachReady(count, body)
  }

  /// Silences a registered descriptor until it is modified.
  mutating func park(_ fd: Int32) {
    guard let position = positions[fd] else { return }
    entries.park(at: position)
  }
}
