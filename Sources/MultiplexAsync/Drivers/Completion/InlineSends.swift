/// Sends that the kernel does, or gives up, within the call that submits them. Those that succeed have no completion:
/// once the call has returned, and the completions of the others were taken, all remaining buffers are free.
///
/// Most sends end this way, at a fraction of the cost of a completion.
@safe
struct InlineSends {
  @unsafe
  private struct Entry {
    let slot: HandlerTable.Slot
    /// Nil once it was taken.
    var buffer: PooledBuffer?
    let range: Range<Int>
  }

  private var entries: ContiguousArray<Entry> = unsafe []

  var isEmpty: Bool { unsafe entries.isEmpty }

  /// - Returns: The number that names the send in its completion.
  mutating func append(_ buffer: PooledBuffer, _ range: Range<Int>, of slot: HandlerTable.Slot) -> UInt32 {
    unsafe entries.append(Entry(slot: slot, buffer: buffer, range: range))
    return unsafe UInt32(entries.count - 1)
  }

  /// Takes a send that has a completion after all, as it couldn't be done, or not completely.
  mutating func take(_ index: UInt32) -> (slot: HandlerTable.Slot, buffer: PooledBuffer, range: Range<Int>)? {
    guard unsafe index < entries.count, let buffer = unsafe entries[Int(index)].buffer else { return nil }
    unsafe entries[Int(index)].buffer = nil
    return unsafe (entries[Int(index)].slot, buffer, entries[Int(index)].range)
  }

  /// Removes all, and recycles the buffers of those that were done.
  mutating func end(recycle: (PooledBuffer) -> Void) {
    for index in unsafe entries.indices {
      if let buffer = unsafe entries[index].buffer { unsafe recycle(buffer) }
    }
    unsafe entries.removeAll(keepingCapacity: true)
  }
}
