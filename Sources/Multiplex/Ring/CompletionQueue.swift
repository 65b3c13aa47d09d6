internal import CMultiplex

/// The completions of a ring that wait for us, in memory that the kernel writes. Positions are those of ``SubmissionQueue``.
@safe
package struct CompletionQueue {
  /// Up to where completions were taken. We move it.
  private let head: RingCounter
  /// Up to where there are some. The kernel moves it.
  private let tail: RingCounter
  private let entries: UnsafePointer<cmx_cqe>
  private let mask: UInt32
  /// A power of two.
  package let capacity: UInt32

  /// - Parameters:
  ///   - head: A number of 32 bits, as is that at `tail`.
  ///   - entries: Room for `capacity` completions, a power of two. All of it outlives the queue.
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

  /// Whether one of the completions that can be taken has a token.
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
    // Only from here on may the kernel overwrite the entry.
    head.release(position &+ 1)
    return Ring.Completion(token: entry.user_data, result: entry.result, flags: entry.flags)
  }
}
