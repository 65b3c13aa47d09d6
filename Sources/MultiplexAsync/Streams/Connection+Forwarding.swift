internal import Multiplex

extension Connection {
  /// Sends everything that comes on this connection on another, until the peer has finished sending.
  ///
  ///     try await client.forward(to: server)
  ///     try await server.closeWrite()
  ///
  /// It does what reading and writing in turn would do, with their backpressure, but for the copying: where much comes at
  /// a time, and both belong to one reactor, the bytes don't leave the kernel. The end of input is not passed on.
  ///
  /// Corresponding C function: `splice`.
  ///
  /// - Parameter progress: Is called on the reactor with the number of bytes that were forwarded since the last call.
  /// - Returns: How many bytes there were in all.
  /// - Throws: As ``read()`` and ``write(_:)-(Chunk)`` do; ``ConnectionError/peer`` tells whose connection has failed. When it
  ///   is cancelled, what was taken from this connection is sent on the other.
  @discardableResult
  public func forward(
    to destination: Connection, progress: (@Sendable (Int) -> Void)? = nil
  ) async throws(ConnectionError) -> Int {
    try await here { () async throws(ConnectionError) in
      let isNear = self.reactor === destination.reactor
      var total = 0
      while true {
        let count: Int?
        if isNear, unsafe self.stream.isBulky {
          count = try await self.forwardBulk(to: destination)
        } else {
          count = try await self.copyNext(to: destination)
        }
        guard let count else { return total }
        total += count
        if count > 0 { progress?(count) }
      }
    }
  }

  /// Always inlined: most messages are small, and a frame of its own would cost each of them.
  ///
  /// - Returns: How many bytes; nil at the end of input.
  @inline(__always)
  private func copyNext(to destination: Connection) async throws(ConnectionError) -> Int? {
    guard let chunk = try await read() else { return nil }
    let count = chunk.count
    try await destination.write(chunk)
    return count
  }

  /// Never inlined: what it needs would be part of the frame that waits for small messages.
  ///
  /// - Returns: How many bytes, which may be none; nil at the end of input.
  @inline(never)
  private func forwardBulk(to destination: Connection) async throws(ConnectionError) -> Int? {
    // What is queued goes first, by way of the queue.
    if unsafe destination.stream.unsentCount > 0 { try await destination.flush() }
    switch unsafe stream.forwardNow(to: destination.stream) {
    case .moved(let count):
      if let reason = unsafe destination.stream.refusal { throw destination.failure(reason, during: .write) }
      return count
    case .unfit: return try await copyNext(to: destination)
    case .nothing:
      if let reason = await awaitInput(unsafe stream.makeWaitID()) { throw failure(reason, during: .read) }
      return 0
    }
  }
}
