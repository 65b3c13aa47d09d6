internal import CMultiplex
public import SystemPackage

/// Descriptors to wait for with poll: the counterpart of Python's `select.poll()`.
///
/// A set is a value. Waiting changes it, so the compiler keeps two threads from waiting on one set at a time.
///
/// Every wait costs time in proportion to the number of descriptors; there is no limit to them but the process's own.
public struct PollSet: Sendable {
  /// A descriptor that is ready, and for what.
  public struct Event: Hashable, Sendable {
    /// The descriptor as it was registered.
    public let descriptor: FileDescriptor
    /// What it is ready for; never empty.
    public let events: PollEvents
  }

  private var entries: ContiguousArray<pollfd> = []
  /// Where each descriptor's entry is.
  private var positions: [Int32: Int] = [:]

  /// A set without descriptors.
  public init() {}

  /// How many descriptors are registered.
  public var count: Int { entries.count }

  /// Whether no descriptor is registered.
  public var isEmpty: Bool { entries.isEmpty }

  /// Watches a descriptor. One that is registered already has its events replaced.
  ///
  /// - Parameter events: `[]` still reports errors and hang-ups, again on each wait.
  /// - Throws: ``MultiplexError/Reason/notOpen`` for a negative descriptor. One that is merely closed is reported as
  ///   ``PollEvents/invalid`` by ``poll(timeout:)``.
  public mutating func register(
    _ descriptor: borrowing some Selectable & ~Copyable, for events: PollEvents
  ) throws(MultiplexError) {
    let fd = descriptor.rawDescriptor
    guard fd >= 0 else {
      throw MultiplexError(call: "PollSet.register", descriptor: descriptor.fileDescriptor, errno: .badFileDescriptor)
    }
    let entry = pollfd(fd: fd, events: events.rawValue, revents: 0)
    if let position = positions[fd] {
      entries[position] = entry
    } else {
      positions[fd] = entries.count
      entries.append(entry)
    }
  }

  /// Watches a registered descriptor for other events.
  ///
  /// - Throws: ``MultiplexError/Reason/notRegistered``.
  public mutating func modify(
    _ descriptor: borrowing some Selectable & ~Copyable, for events: PollEvents
  ) throws(MultiplexError) {
    let position = try position(of: descriptor.fileDescriptor, for: "PollSet.modify")
    entries[position] = pollfd(fd: descriptor.rawDescriptor, events: events.rawValue, revents: 0)
  }

  /// Forgets a descriptor, open or not.
  ///
  /// - Throws: ``MultiplexError/Reason/notRegistered``.
  public mutating func unregister(_ descriptor: borrowing some Selectable & ~Copyable) throws(MultiplexError) {
    let position = try position(of: descriptor.fileDescriptor, for: "PollSet.unregister")
    positions[descriptor.rawDescriptor] = nil
    let last = entries.removeLast()
    guard position < entries.count else { return }
    entries[position] = last
    positions[Self.descriptor(of: last)] = position
  }

  /// Waits until a descriptor is ready, the time is up, or both.
  ///
  /// An interruption by a signal doesn't end the wait, nor does it begin anew: it goes on with the time left.
  ///
  /// Corresponding C function: `ppoll`.
  ///
  /// - Parameter timeout: nil and negative values wait without limit, as in C; zero doesn't wait.
  /// - Returns: The descriptors that are ready, each once; none when the time is up.
  public mutating func poll(timeout: Duration? = nil) throws(MultiplexError) -> [Event] {
    let deadline = timeout.map { $0 < .zero ? .never : Deadline(after: $0) } ?? .never
    while true {
      do {
        let count = try wait(timeout: deadline.remaining)
        var events: [Event] = []
        events.reserveCapacity(count)
        forEachReady(count) { fd, found in
          events.append(Event(descriptor: FileDescriptor(rawValue: fd), events: found))
        }
        return events
      } catch .interrupted {
        continue
      } catch {
        throw MultiplexError(call: "ppoll", errno: error)
      }
    }
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
  /// One call of poll. Its answer stays in the set: see ``forEachReady(_:_:)``.
  mutating func wait(timeout: Duration?) throws(Errno) -> Int {
    let timeout = timeout.map(Timeout.timespec)
    var outcome = Result<Int32, Errno>.success(0)
    unsafe entries.withUnsafeMutableBufferPointer { entries in
      outcome = Result { () throws(Errno) in try unsafe Kernel.ppoll(entries, timeout) }
    }
    return Int(try outcome.get())
  }

  /// Visits the descriptors that the last wait found ready.
  ///
  /// - Parameter count: How many there are, as the wait returned: the search ends with the last of them.
  func forEachReady(_ count: Int, _ body: (Int32, PollEvents) -> Void) {
    var left = count
    for entry in entries {
      guard left > 0 else { return }
      guard entry.revents != 0 else { continue }
      left -= 1
      body(entry.fd, PollEvents(rawValue: entry.revents))
    }
  }

  /// Silences a registered descriptor until it is modified. Without events poll would still report hang-ups, over and
  /// over; entries with a negative descriptor are passed over by the kernel.
  mutating func park(_ fd: Int32) {
    guard let position = positions[fd] else { return }
    entries[position] = pollfd(fd: ~fd, events: 0, revents: 0)
  }

  private static func descriptor(of entry: pollfd) -> Int32 {
    entry.fd < 0 ? ~entry.fd : entry.fd
  }
}
