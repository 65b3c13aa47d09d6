public import SystemPackage

/// Waits until one of several descriptors is ready: the counterpart of Python's `select.select`.
///
///     let ready = try select(reading: inputs, writing: outputs, timeout: .seconds(1))
///     for socket in ready.reading { ... }
///
/// Descriptors may be above 1024, the limit of C's `fd_set`. The cost grows with the highest descriptor: for many
/// descriptors, or many waits, use a ``Poller``. An interruption by a signal doesn't end the wait.
///
/// Corresponding C function: `pselect`.
///
/// - Parameters:
///   - reading: Ready when a read doesn't block: there are bytes, a connection, the end of input, or an error.
///   - writing: Ready when a write doesn't block.
///   - exceptional: Ready when something exceptional happens, such as the arrival of out-of-band data.
///   - timeout: nil waits without limit; zero doesn't wait.
/// - Returns: The elements of each collection that are ready, in the same order and with the same duplicates; none when
///   the time is up.
/// - Throws: ``MultiplexError/Reason/notOpen`` with the descriptor that isn't open; ``MultiplexError/Reason/closed``
///   for -1, the descriptor of a closed ``Socket`` for example; ``MultiplexError/Reason/invalidArgument`` for a
///   negative timeout.
public func select<Reading: Collection, Writing: Collection, Exceptional: Collection>(
  reading: Reading = EmptyCollection<FileDescriptor>(),
  writing: Writing = EmptyCollection<FileDescriptor>(),
  exceptional: Exceptional = EmptyCollection<FileDescriptor>(),
  timeout: Duration? = nil
) throws(MultiplexError) -> Selection<Reading.Element, Writing.Element, Exceptional.Element>
where Reading.Element: Selectable, Writing.Element: Selectable, Exceptional.Element: Selectable {
  if let timeout, timeout < .zero {
    throw .outOfRange("timeout \(timeout)", for: "pselect", advice: "pass zero to poll, or nil to wait without limit")
  }
  var watched = DescriptorBitmaps()
  try watched.reading.insert(reading)
  try watched.writing.insert(writing)
  try watched.exceptional.insert(exceptional)
  let ready = try wait(for: watched, until: Deadline(after: timeout))
  return Selection(
    reading: reading.filter { ready.reading[$0.rawDescriptor] },
    writing: writing.filter { ready.writing[$0.rawDescriptor] },
    exceptional: exceptional.filter { ready.exceptional[$0.rawDescriptor] })
}

private func wait(for watched: DescriptorBitmaps, until deadline: Deadline) throws(MultiplexError) -> DescriptorBitmaps
{
  do {
    return try deadline.resuming { (remaining) throws(Errno) in
      guard watched.isHighestOpen else { throw .badFileDescriptor }
      var ready = watched
      _ = try ready.wait(timeout: remaining)
      return ready
    }
  } catch .badFileDescriptor {
    throw MultiplexError(call: "pselect", descriptor: watched.firstClosed, errno: .badFileDescriptor)
  } catch {
    throw MultiplexError(call: "pselect", errno: error)
  }
}

extension DescriptorBitmap {
  fileprivate mutating func insert(_ elements: some Collection<some Selectable>) throws(MultiplexError) {
    for element in elements {
      let descriptor = element.fileDescriptor
      try element.requireNumber(for: "pselect")
      // Only open descriptors get room: an arbitrary number may be as high as two billion.
      guard hasRoom(for: descriptor.rawValue) || Kernel.isOpen(descriptor.rawValue) else {
        throw MultiplexError(call: "pselect", descriptor: descriptor, errno: .badFileDescriptor)
      }
      self[descriptor.rawValue] = true
    }
  }
}

extension DescriptorBitmaps {
  /// The lowest descriptor in the sets that isn't open.
  fileprivate var firstClosed: FileDescriptor? {
    (0..<upperBound)
      .first { (reading[$0] || writing[$0] || exceptional[$0]) && !Kernel.isOpen($0) }
      .map(FileDescriptor.init(rawValue:))
  }
}
