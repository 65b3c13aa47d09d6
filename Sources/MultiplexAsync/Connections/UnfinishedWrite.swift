/// What remains to be done of a write that couldn't be finished immediately.
@usableFromInline
struct UnfinishedWrite: Sendable {
  enum Remainder {
    /// The bytes are queued, above the high watermark: wait until the queue has fallen to the low one.
    case room
    /// The bytes are sent or queued, but the task has to yield to others, as its writes never wait.
    case turn
    /// Nothing: the write failed.
    case refused(ConnectionError.Reason)
    /// Everything, on the reactor's thread.
    case elsewhere([[UInt8]])
  }

  let remainder: Remainder

  init(_ remainder: Remainder) {
    self.remainder = remainder
  }
}
