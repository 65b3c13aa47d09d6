/// Buffers of one size, for the receives of one event loop. Belongs to its thread.
///
/// There are as many as are lent out at a time: connections that wait hold none.
@safe
final class BufferPool {
  /// In bytes: as much as one receive may bring, unless a pool is made for another size.
  static let defaultBufferSize = 64 * 1024
  /// How many are kept for the next time.
  private static let reserve = 64

  /// In bytes.
  let bufferSize: Int
  /// The first buffer that is kept. Each begins with the address of the next: it is nobody else's, and will be written to.
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

  /// - Parameter buffer: Taken from here, and not used any more.
  func give(back buffer: PooledBuffer) {
    guard freeCount < Self.reserve else { return unsafe buffer.start.deallocate() }
    unsafe buffer.start.storeBytes(of: free, as: UnsafeMutableRawPointer?.self)
    unsafe free = buffer.start
    freeCount += 1
  }

  /// Never inlined: for the sake of this rare path, each ``take()`` would retain and release the pool.
  @inline(never)
  private func allocate() -> PooledBuffer {
    unsafe PooledBuffer(start: .allocate(byteCount: bufferSize, alignment: 16), capacity: bufferSize)
  }

  private func popFree() -> UnsafeMutableRawPointer? {
    guard let buffer = free else { return nil }
    // As `give(back:)` has left it.
    unsafe free = buffer.load(as: UnsafeMutableRawPointer?.self)
    freeCount -= 1
    return unsafe buffer
  }
}
