/// Buffers of one size, for the receives of one event loop. Belongs to its thread.
///
/// There are as many as are in use at a time: waiting connections hold none.
@safe
final class BufferPool {
  /// In bytes: the most that one receive returns, unless a pool is made with another size.
  static let defaultBufferSize = 64 * 1024
  /// How many unused buffers are kept.
  private static let reserve = 64

  /// In bytes.
  let bufferSize: Int
  /// The head of the free list. Each free buffer begins with the address of the next one: nothing else uses its memory.
  @safe @exclusivity(unchecked) private var free: UnsafeMutableRawPointer?
  @safe @exclusivity(unchecked) private var freeCount = 0

  init(bufferSize: Int = defaultBufferSize) {
    self.bufferSize = bufferSize
  }

  deinit {
    while let buffer = unsafe popFree() { unsafe buffer.deallocate() }
  }

  func take() -> PooledBuffer {
    guard let start = unsafe popFree() else { return unsafe allocate() }
    return unsafe PooledBuffer(start: start, capacity: bufferSize)
  }

  /// Takes a buffer back.
  ///
  /// - Parameter buffer: One that was taken from this pool and isn't used any more.
  func recycle(_ buffer: PooledBuffer) {
    guard freeCount < Self.reserve else { return unsafe buffer.start.deallocate() }
    unsafe buffer.start.storeBytes(of: free, as: UnsafeMutableRawPointer?.self)
    unsafe free = buffer.start
    freeCount += 1
  }

  /// Never inlined: because of this rare path, each ``take()`` would retain and release the pool.
  @inline(never)
  private func allocate() -> PooledBuffer {
    unsafe PooledBuffer(start: .allocate(byteCount: bufferSize, alignment: 16), capacity: bufferSize)
  }

  private func popFree() -> UnsafeMutableRawPointer? {
    guard let buffer = free else { return nil }
    // As `recycle(_:)` left it.
    unsafe free = buffer.load(as: UnsafeMutableRawPointer?.self)
    freeCount -= 1
    return unsafe buffer
  }
}
