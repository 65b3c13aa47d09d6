/// Bytes that a read has brought, in a buffer that is lent: it goes back to its pool when the chunk ends.
///
/// A chunk can't be copied. Look at its bytes (``withBytes(_:)``), copy them (``array``), or hand it on to a write; keep no
/// more chunks than are being worked on, as each holds a whole buffer.
@safe
public struct Chunk: ~Copyable, Sendable {
  private let buffer: PooledBuffer
  /// The number of bytes, at least 1.
  public let count: Int
  let reactor: Reactor
  /// Whether the buffer was given away: a value with a reference can't be discarded.
  private var isReleased = false

  /// Takes over a buffer of the reactor's pool, of which the first `count` bytes are filled.
  init(_ buffer: PooledBuffer, count: Int, reactor: Reactor) {
    unsafe self.buffer = buffer
    self.count = count
    self.reactor = reactor
  }

  deinit {
    if !isReleased { unsafe reactor.giveBack(buffer) }
  }

  /// Gives the buffer away, to something that belongs to the same reactor and returns it.
  consuming func release() -> PooledBuffer {
    isReleased = true
    return unsafe buffer
  }

  /// The bytes, lent for the time of the call.
  public func withBytes<Result, Failure: Error>(
    _ body: (RawSpan) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    // The buffer is this chunk's alone, and filled so far.
    try unsafe body(buffer.bytes(0..<count).bytes)
  }

  /// A copy of the bytes.
  public var array: [UInt8] {
    // As above; the array copies.
    unsafe [UInt8](buffer.bytes(0..<count))
  }
}

extension Reactor {
  /// Returns a buffer to the pool, from any thread.
  fileprivate func giveBack(_ buffer: PooledBuffer) {
    if isCurrent {
      unsafe loop.give(back: buffer)
    } else {
      loop.perform { [loop] in unsafe loop.give(back: buffer) }
    }
  }
}
