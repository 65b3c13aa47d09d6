/// Memory that belongs to a pool, and goes back there once. What owns it, or has handed it on, is up to its holder:
/// ``Chunk`` is the type that can't get that wrong.
@unsafe
struct PooledBuffer: @unchecked Sendable {
  let start: UnsafeMutableRawPointer
  /// In bytes.
  let capacity: Int
  /// The buffer's number where a ring has provided it; nil where it comes from a ``BufferPool``.
  var ringID: UInt16?
}
