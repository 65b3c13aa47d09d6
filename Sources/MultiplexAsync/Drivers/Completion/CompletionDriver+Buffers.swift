internal import Multiplex

/// Buffers and message headers.
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

  func takeMessage() -> MessageHeader {
    messages.popLast() ?? MessageHeader(capacity: OutgoingQueue.maximumPerSend)
  }

  func recycle(_ message: MessageHeader) {
    messages.append(message)
  }

  /// Adds buffers, as the kernel had none for received data.
  func growBuffers() {
    buffers.grow()
  }
}
