internal import CMultiplex

/// A ring's completions that haven't been taken, in memory that the kernel writes. Positions are as in
/// ``SubmissionQueue``.
@safe
package struct CompletionQueue {
  /// The position up to which completions were taken. We move it.
  private let head: RingCounter
  /// The position up to which there are completions. The kernel moves it.
  private let tail: RingCounter
  private let entries: UnsafePointer<cmx_cqe>
  private let mask: UInt32
  /// A power of two.
  package let capacity: UInt32

  /// - Parameters:
  ///   - head: A 32-bit integer.
  ///   - tail: A 32-bit integer.
  ///   - entries: Room for `capacity` completions. All of this memory outlives the queue.
  ///   - capacity: A power of two.
  package init(
    head: UnsafeMutableRawPointer, tail: UnsafeMutableRawPointer, entries: UnsafeMutableRawPointer, capacity: UInt32
  ) {
    self.head = unsafe RingCounter(at: head)
    self.tail = unsafe RingCounter(at: tail)
    unsafe self.entries = UnsafePointer(entries.assumingMemoryBound(to: cmx_cqe.self))
    self.capacity = capacity
    mask = capacity - 1
  }

  /// How many completions there are.
  package var count: UInt32 {
    tail.acquired &- head.own
  }

  /// Whether a completion with this token can be taken.
  package func contains(_ token: UInt64) -> Bool {
    var position = head.own
    let end = tail.acquired
    while position != end {
      if unsafe entries[Int(position & mask)].user_data == token { return true }
      position &+= 1
    }
    return false
  }

  /// Takes the next completion.
  package func next() -> Ring.Completion? {
    let position = head.own
    guard position != tail.acquired else { return nil }
    let entry = unsafe entries[Int(position & mask)]
    // Only now may the kernel overwrite the entry.
    head.release(position &+ 1)
    return Ring.Completion(token: entry.user_data, result: entry.result, flags: entry.flags)
  }
}
