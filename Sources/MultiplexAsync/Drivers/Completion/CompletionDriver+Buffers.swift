internal import Multiplex

/// Buffers.
extension CompletionDriver {
  func takeReceived(_ id: UInt16) -> PooledBuffer {
    unsafe buffers.take(id)
  }

  /// An empty buffer, for bytes to send.
  func takeBuffer(for size: Int) -> PooledBuffer {
    unsafe size <= smallPool.bufferSize ? smallPool.take() : pool.take()
  }

  func recycle(_ buffer: PooledBuffer) {
    if let id = unsafe buffer.ringID {
      buffers.recycle(id)
    } else if unsafe buffer.capacity == smallPool.bufferSize {
      unsafe smallPool.recycle(buffer)
    } else {
      unsafe pool.recycle(buffer)
    }
  }

  /// Adds buffers, as the kernel had none for received data.
  func growBuffers() {
    buffers.grow()
  }
}
