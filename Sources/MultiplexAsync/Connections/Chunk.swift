/// Bytes returned by a read, in a buffer that belongs to a pool and returns to it when the chunk ends.
///
/// A chunk can't be copied. Look at its bytes (``withBytes(_:)``), copy them (``array``), or pass it on to a write.
/// Keep only the chunks that you are working on, as each holds a whole buffer.
@safe
public struct Chunk: ~Copyable, Sendable {
  private let buffer: PooledBuffer
  /// The number of bytes, at least 1.
  public let count: Int
  let reactor: Reactor
  /// Whether the buffer was handed over: a value with a reference can't be discarded.
  private var isReleased = false

  /// Takes ownership of a buffer of the reactor's pool whose first `count` bytes are filled.
  init(_ buffer: PooledBuffer, count: Int, reactor: Reactor) {
    unsafe self.buffer = buffer
    self.count = count
    self.reactor = reactor
  }

  deinit {
    if !isReleased { unsafe reactor.recycle(buffer) }
  }

  /// Hands the buffer over to something that belongs to the same reactor and recycles it.
  consuming func release() -> PooledBuffer {
    isReleased = true
    return unsafe buffer
  }

  /// Calls a closure with the bytes, which are valid during the call.
  public func withBytes<Result, Failure: Error>(
    _ body: (Span<UInt8>) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    // The buffer belongs to this chunk, and its first `count` bytes are filled. It holds nothing but bytes.
    try unsafe body(buffer.bytes(0..<count).assumingMemoryBound(to: UInt8.self).span)
  }

  /// A copy of the bytes.
  public var array: [UInt8] {
    // As above; the array copies.
    unsafe [UInt8](buffer.bytes(0..<count))
  }
}
