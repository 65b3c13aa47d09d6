public import SystemPackage

/// Waits until one of many things is ready: the counterpart of Python's `select.select`.
///
///     let ready = try select(reading: inputs, writing: outputs, timeout: .seconds(1))
///     for socket in ready.reading { ... }
///
/// Works with descriptors beyond 1024, the limit of C's `fd_set`. Costs time in proportion to the highest descriptor:
/// for many of them, or for long, use a ``Poller``. An interruption by a signal doesn't end the wait.
///
/// Corresponding C function: `pselect`.
///
/// - Parameters:
///   - reading: Waited for until a read doesn't block: there are bytes, a connection, the end of input, or an error.
///   - writing: Waited for until a write doesn't block.
///   - exceptional: Waited for until something exceptional happens, such as the arrival of out-of-band data.
///   - timeout: nil waits without limit; zero doesn't wait.
/// - Returns: Of each collection the elements that are ready, in the order given, as often as given; none when the time
///   is up.
/// - Throws: ``MultiplexError/Reason/notOpen`` with the descriptor that isn't open; ``MultiplexError/Reason/closed`` for -1,
///   the descriptor of what was closed;
///   ``MultiplexError/Reason/invalidArgument`` for a negative timeout.
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
      // Room is made for open descriptors alone: a stray number may be as high as two thousand million.
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
