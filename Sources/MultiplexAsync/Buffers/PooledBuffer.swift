/// A plain pointer to memory of a pool, to which it must be returned exactly once. Unlike with ``Chunk``, nothing
/// checks who holds it.
@unsafe
struct PooledBuffer: @unchecked Sendable {
  let start: UnsafeMutableRawPointer
  /// In bytes.
  let capacity: Int
  /// The buffer's number if it belongs to a ring; nil if it comes from a ``BufferPool``.
  var ringID: UInt16?

  /// The whole memory.
  var memory: UnsafeMutableRawBufferPointer {
    unsafe UnsafeMutableRawBufferPointer(start: start, count: capacity)
  }

  /// The filled part: a range within the capacity.
  func bytes(_ range: Range<Int>) -> UnsafeRawBufferPointer {
    unsafe UnsafeRawBufferPointer(start: start + range.lowerBound, count: range.count)
  }
}
