/// Sends that the kernel does, or gives up, within the call that submits them: those that succeed complete without a word,
/// and once the call has returned, and the completions of the others were taken, the buffers of all the rest are free.
///
/// Most sends end so, at a fraction of the cost of a completion.
@safe
struct InlineSends {
  @unsafe
  private struct Entry {
    let slot: HandlerTable.Slot
    /// Nil once it was taken back.
    var buffer: PooledBuffer?
    let range: Range<Int>
  }

  private var entries: ContiguousArray<Entry> = unsafe []

  var isEmpty: Bool { unsafe entries.isEmpty }

  /// - Returns: What names the send in its completion.
  mutating func append(_ buffer: PooledBuffer, _ range: Range<Int>, of slot: HandlerTable.Slot) -> UInt32 {
    unsafe entries.append(Entry(slot: slot, buffer: buffer, range: range))
    return unsafe UInt32(entries.count - 1)
  }

  /// Takes a send back that has completed after all: as it couldn't, or not wholly, be done.
  mutating func take(_ index: UInt32) -> (slot: HandlerTable.Slot, buffer: PooledBuffer, range: Range<Int>)? {
    guard unsafe index < entries.count, let buffer = unsafe entries[Int(index)].buffer else { return nil }
    unsafe entries[Int(index)].buffer = nil
    return unsafe (entries[Int(index)].slot, buffer, entries[Int(index)].range)
  }

  /// Forgets all, and returns the buffers of those that were done.
  mutating func end(giveBack: (PooledBuffer) -> Void) {
    for index in unsafe entries.indices {
      if let buffer = unsafe entries[index].buffer { unsafe giveBack(buffer) }
    }
    unsafe entries.removeAll(keepingCapacity: true)
  }
}
