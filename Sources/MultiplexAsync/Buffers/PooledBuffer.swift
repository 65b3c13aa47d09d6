/// A plain pointer to memory of a pool, to which it goes back once. Nothing checks who has it, as ``Chunk`` does.
@unsafe
struct PooledBuffer: @unchecked Sendable {
  let start: UnsafeMutableRawPointer
  /// In bytes.
  let capacity: Int
  /// The buffer's number where a ring has provided it; nil where it comes from a ``BufferPool``.
  var ringID: UInt16?

  /// All of it.
  var memory: UnsafeMutableRawBufferPointer {
    unsafe UnsafeMutableRawBufferPointer(start: start, count: capacity)
  }

  /// What was filled of it: a range within the capacity.
  func bytes(_ range: Range<Int>) -> UnsafeRawBufferPointer {
    unsafe UnsafeRawBufferPointer(start: start + range.lowerBound, count: range.count)
  }
}
