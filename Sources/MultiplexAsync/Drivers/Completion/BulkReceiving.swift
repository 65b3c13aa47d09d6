/// How to receive from a connection that gets more data than there are buffers, or readers, for.
///
/// What the kernel receives on its own is bounded only by the socket's buffer: by the time the last connection has its
/// bytes, those of the first have left the cache. So a busy connection is waited for and received from by our own
/// calls, until a call returns less than a buffer.
struct BulkReceiving {
  private(set) var isActive = false
  /// Whether the last call filled its buffer.
  private(set) var mayHaveMore = false
  /// Whether nothing was received since the last wait. If the wait ended all the same, that may be due to a persistent
  /// error.
  private var wasInVain = false

  mutating func begin() {
    isActive = true
    mayHaveMore = true
  }

  mutating func beginWait() {
    wasInVain = true
  }

  /// A call has received `count` bytes.
  mutating func note(_ count: Int, mayHaveMore: Bool) {
    self.mayHaveMore = mayHaveMore
    wasInVain = false
    isActive = count >= ReceiveBuffers.bufferSize
  }

  /// A call has received nothing.
  mutating func noteNothing() {
    mayHaveMore = false
    if wasInVain { isActive = false }
  }
}
