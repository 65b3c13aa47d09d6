extension Reactor {
  /// Returns a buffer to its pool, from any thread.
  func recycle(_ buffer: PooledBuffer) {
    if isCurrent {
      unsafe loop.recycle(buffer)
    } else {
      loop.perform { [loop] in unsafe loop.recycle(buffer) }
    }
  }
}
