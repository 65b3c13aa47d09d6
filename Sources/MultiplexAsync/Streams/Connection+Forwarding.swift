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
        if isNear, unsafe self.stream.isBulk(for: destination.stream) {
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
    switch unsafe stream.forwardNow(to: destination.stream) {
    case nil: return try await copyNext(to: destination)
    case .moved(let count): return count
    case .stuck(let pipe): return try await destination.finishSending(from: pipe)
    case .refused(let reason): throw destination.failure(reason, during: .write)
    case .nothing:
      if let reason = await awaitInput(unsafe stream.makeWaitID()) { throw failure(reason, during: .read) }
      return 0
    case .ended(let outcome):
      _ = try chunk(of: outcome)
      return nil
    }
  }

  /// Sends what is left in the pipe, as soon as there is room.
  ///
  /// - Returns: How many bytes the pipe was filled with.
  private func finishSending(from pipe: SplicePipe) async throws(ConnectionError) -> Int {
    while true {
      if let reason = await awaitRoom() {
        // What was taken from the one connection is the other's.
        unsafe stream.queue(from: pipe)
        throw failure(reason, during: .write)
      }
      switch unsafe stream.send(from: pipe) {
      case .stuck: continue
      case .refused(let reason): throw failure(reason, during: .write)
      default: return pipe.filledCount
      }
    }
  }
}
