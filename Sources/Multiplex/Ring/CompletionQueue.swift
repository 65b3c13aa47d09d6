internal import CMultiplex
internal import Synchronization

/// The completions of a ring that wait for us, in memory that the kernel writes. Positions are those of ``SubmissionQueue``.
@safe
package struct CompletionQueue {
  /// Up to where completions were taken. We move it.
  private let head: UnsafePointer<Atomic<UInt32>>
  /// Up to where there are some. The kernel moves it.
  private let tail: UnsafePointer<Atomic<UInt32>>
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
    // An atomic number has the layout of a number, and the kernel's are aligned.
    unsafe self.head = UnsafePointer(head.assumingMemoryBound(to: Atomic<UInt32>.self))
    unsafe self.tail = UnsafePointer(tail.assumingMemoryBound(to: Atomic<UInt32>.self))
    unsafe self.entries = UnsafePointer(entries.assumingMemoryBound(to: cmx_cqe.self))
    self.capacity = capacity
    mask = capacity - 1
  }

  /// How many completions there are.
  package var count: UInt32 {
    unsafe tail.pointee.load(ordering: .acquiring) &- head.pointee.load(ordering: .relaxed)
  }

  /// Takes the next completion.
  package func next() -> Ring.Completion? {
    let position = unsafe head.pointee.load(ordering: .relaxed)
    guard unsafe position != tail.pointee.load(ordering: .acquiring) else { return nil }
    let entry = unsafe entries[Int(position & mask)]
    // Only from here on may the kernel overwrite the entry.
    unsafe head.pointee.store(position &+ 1, ordering: .releasing)
    return Ring.Completion(token: entry.user_data, result: entry.result, flags: entry.flags)
  }
}
