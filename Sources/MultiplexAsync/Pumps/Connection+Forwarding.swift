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
  /// - Parameters:
  ///   - destination: Where the bytes go. If it is another reactor's, they are copied.
  ///   - progress: Is called on the reactor with the number of bytes that were forwarded since the last call.
  /// - Returns: How many bytes there were in all.
  /// - Throws: As ``read()`` and ``write(_:)-(Chunk)`` do; ``ConnectionError/peer`` tells whose connection has failed. When it
  ///   is cancelled, what was taken from this connection is sent on the other.
  @discardableResult
  public func forward(
    to destination: Connection, progress: (@Sendable (Int) -> Void)? = nil
  ) async throws(ConnectionError) -> Int {
    try await reactor.run { () async throws(ConnectionError) in
      guard self.reactor === destination.reactor else {
        return try await self.copy(to: destination, progress: progress)
      }
      let pump = ForwardingPump(from: self, to: destination, progress: progress)
      if let error = await pump.run() { throw error }
      return pump.total
    }
  }

  /// What is left where the two belong to different threads.
  private func copy(
    to destination: Connection, progress: (@Sendable (Int) -> Void)?
  ) async throws(ConnectionError) -> Int {
    var total = 0
    while let chunk = try await read() {
      let count = chunk.count
      try await destination.write(chunk)
      total += count
      progress?(count)
    }
    return total
  }
}
