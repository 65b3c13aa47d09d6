/// Buffers of one size, for the receives of one event loop. Belongs to its thread.
///
/// There are as many as are lent out at a time: connections that wait hold none.
@safe
final class BufferPool {
  /// In bytes: as much as one receive may bring, unless a pool is made for another size.
  static let bufferSize = 64 * 1024
  /// How many are kept for the next time.
  private static let reserve = 64

  /// In bytes.
  let bufferSize: Int
  @safe @exclusivity(unchecked) private var free: [PooledBuffer] = unsafe []

  init(bufferSize: Int = BufferPool.bufferSize) {
    self.bufferSize = bufferSize
  }

  deinit {
    unsafe free.forEach { unsafe $0.start.deallocate() }
  }

  func take() -> PooledBuffer {
    if let buffer = unsafe free.popLast() { return unsafe buffer }
    return unsafe PooledBuffer(start: .allocate(byteCount: bufferSize, alignment: 16), capacity: bufferSize)
  }

  /// - Parameter buffer: Taken from here, and not used any more.
  func give(back buffer: PooledBuffer) {
    if unsafe free.count < Self.reserve {
      unsafe free.append(buffer)
    } else {
      unsafe buffer.start.deallocate()
    }
  }
}
