internal import CMultiplex
internal import SystemPackage

/// The argument and the result of poll: an array of descriptors, what to watch them for, and what they are ready for.
struct PollEntries: Sendable {
  private var entries: ContiguousArray<pollfd> = []

  var count: Int { entries.count }

  /// Removes all entries, keeping the memory.
  mutating func removeAll() {
    entries.removeAll(keepingCapacity: true)
  }

  mutating func append(_ fd: Int32, for events: PollEvents) {
    entries.append(pollfd(fd: fd, events: events.rawValue, revents: 0))
  }

  mutating func replace(at position: Int, _ fd: Int32, for events: PollEvents) {
    entries[position] = pollfd(fd: fd, events: events.rawValue, revents: 0)
  }

  /// Silences an entry until it is replaced. Without events poll would still report hang-ups, again and again; the
  /// kernel skips entries with a negative descriptor.
  mutating func park(at position: Int) {
    replace(at: position, ~descriptor(at: position), for: [])
  }

  /// Removes an entry. The last one takes its place.
  ///
  /// - Returns: The descriptor that was moved; nil if the last one was removed.
  mutating func remove(at position: Int) -> Int32? {
    let last = entries.removeLast()
    guard position < entries.count else { return nil }
    entries[position] = last
    return descriptor(at: position)
  }

  private func descriptor(at position: Int) -> Int32 {
    let fd = entries[position].fd
    return fd < 0 ? ~fd : fd
  }

  /// Calls poll once. Its results stay here: see ``forEachReady(_:_:)``.
  ///
  /// - Parameter timeout: nil waits without limit.
  /// - Returns: How many descriptors are ready.
  mutating func wait(timeout: Duration?) throws(Errno) -> Int {
    let timeout = timeout.map(Timeout.timespec)
    return try unsafe call { entries throws(Errno) in try unsafe Kernel.ppoll(entries, timeout) }
  }

  /// Calls poll without waiting, which costs less: the kernel doesn't read the clock.
  mutating func look() throws(Errno) -> Int {
    try unsafe call { entries throws(Errno) in try unsafe Kernel.poll(entries) }
  }

  /// Passes the entries to one call.
  @inline(__always)
  private mutating func call(
    _ body: (UnsafeMutableBufferPointer<pollfd>) throws(Errno) -> Int32
  ) throws(Errno) -> Int {
    var outcome = Result<Int32, Errno>.success(0)
    unsafe entries.withUnsafeMutableBufferPointer { entries in
      outcome = Result { () throws(Errno) in try unsafe body(entries) }
    }
    return Int(try outcome.get())
  }

  /// Adds events, found otherwise, to the results of the last wait.
  ///
  /// - Returns: How many more descriptors are ready.
  mutating func addFound(_ events: PollEvents, where isReady: (Int32) -> Bool) -> Int {
    var count = 0
    for index in entries.indices where isReady(entries[index].fd) {
      if entries[index].revents == 0 { count += 1 }
      entries[index].revents |= events.rawValue
    }
    return count
  }

  /// Visits the descriptors that the last wait found ready.
  ///
  /// - Parameter count: How many there are, as returned by the wait: the search ends with the last of them.
  func forEachReady(_ count: Int, _ body: (Int32, PollEvents) -> Void) {
    var left = count
    for entry in entries {
      guard left > 0 else { return }
      guard entry.revents != 0 else { continue }
      left -= 1
      body(entry.fd, PollEvents(rawValue: entry.revents))
    }
  }
}
