internal import CMultiplex

/// The submissions of a ring that wait for the kernel, in memory that it reads.
///
/// Positions count up for ever and wrap around at 2^32: only the difference of two means anything, and a position's place
/// in memory is what its lower bits say.
@safe
package struct SubmissionQueue {
  /// Up to where the kernel has taken submissions. The kernel moves it.
  private let head: RingCounter
  /// Up to where the kernel may take them. We move it.
  private let tail: RingCounter
  private let entries: UnsafeMutablePointer<cmx_sqe>
  /// A power of two.
  package let capacity: UInt32
  /// Where the next submission goes.
  private var next: UInt32

  /// - Parameters:
  ///   - head: A number of 32 bits, as are those at `tail`.
  ///   - entries: Room for `capacity` submissions. All of it outlives the queue.
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

  /// Lets the kernel see all submissions.
  ///
  /// - Returns: How many it may take.
  package func publish() -> UInt32 {
    tail.release(next)
    return count
  }
}
