/// How a connection is received from that gets much: more than there were buffers, or readers, for.
///
/// What the kernel receives by itself has no bound but the socket's buffer: by the time the last connection has its bytes,
/// those of the first have left the cache. So where much comes it is waited for, and received by calls of our own, until less
/// than a buffer comes.
struct BulkReceiving {
  private(set) var isActive = false
  /// Whether the last call has filled its buffer.
  private(set) var mayHaveMore = false
  /// Whether nothing was received since the wait for it. That it ended all the same may be for an error that stays.
  private var wasInVain = false

  mutating func begin() {
    isActive = true
    mayHaveMore = true
  }

  mutating func beginWait() {
    wasInVain = true
  }

  /// A call has brought so many bytes.
  mutating func note(_ count: Int, mayHaveMore: Bool) {
    self.mayHaveMore = mayHaveMore
    wasInVain = false
    isActive = count >= ReceiveBuffers.bufferSize
  }

  /// A call has brought nothing yet.
  mutating func noteNothing() {
    mayHaveMore = false
    if wasInVain { isActive = false }
  }
}
