internal import CMultiplex

/// A ring's submissions that the kernel hasn't taken, in memory that it reads.
///
/// Positions only increase, and wrap around at 2^32: only differences between them mean anything, and the lower bits of
/// a position give its place in memory.
@safe
package struct SubmissionQueue {
  /// The position up to which the kernel has taken submissions. The kernel moves it.
  private let head: RingCounter
  /// The position up to which the kernel may take them. We move it.
  private let tail: RingCounter
  private let entries: UnsafeMutablePointer<cmx_sqe>
  /// A power of two.
  package let capacity: UInt32
  /// The position of the next submission.
  private var next: UInt32

  /// - Parameters:
  ///   - head: A 32-bit integer.
  ///   - tail: A 32-bit integer.
  ///   - entries: Room for `capacity` submissions. All of this memory outlives the queue.
  ///   - capacity: A power of two.
  package init(
    head: UnsafeMutableRawPointer, tail: UnsafeMutableRawPointer, entries: UnsafeMutableRawPointer, capacity: UInt32
  ) {
    self.head = unsafe RingCounter(at: head)
    self.tail = unsafe RingCounter(at: tail)
    unsafe self.entries = entries.assumingMemoryBound(to: cmx_sqe.self)
    self.capacity = capacity
    next = self.tail.own
  }

  /// How many submissions the kernel hasn't taken.
  package var count: UInt32 { next &- head.acquired }

  package var isFull: Bool { count == capacity }

  /// - Returns: False if there is no room.
  package mutating func append(_ submission: Ring.Submission) -> Bool {
    guard !isFull else { return false }
    unsafe entries[Int(next & (capacity - 1))] = submission.entry
    next &+= 1
    return true
  }

  /// Makes all submissions visible to the kernel.
  ///
  /// - Returns: How many it may take.
  package func publish() -> UInt32 {
    tail.release(next)
    return count
  }
}
