/// What is left to do of a write that isn't done at once.
@usableFromInline
struct UnfinishedWrite: Sendable {
  enum Rest {
    /// It is taken, but the queue is above the high watermark: to wait until it has fallen to the low one.
    case room
    /// It is taken, but the task is to yield to others, as its writes never have to wait.
    case turn
    /// Nothing, as it can't be done.
    case refused(ConnectionError.Reason)
    /// All of it, on the reactor's thread.
    case elsewhere([[UInt8]])
  }

  let rest: Rest

  init(_ rest: Rest) {
    self.rest = rest
  }
}
