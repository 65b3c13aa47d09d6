internal import Multiplex

extension Connection {
  /// Forwards everything received on this connection to another, until the peer closes its side.
  ///
  ///     try await client.forward(to: server)
  ///     try await server.closeWrite()
  ///
  /// It does what reading and writing in a loop would do, with the same backpressure but less copying: when much data
  /// arrives at a time, and both connections belong to the same reactor, the bytes don't leave the kernel. The end of
  /// input is not forwarded.
  ///
  /// Corresponding C function: `splice`.
  ///
  /// - Parameters:
  ///   - destination: Where to send the bytes. They are copied if it belongs to another reactor.
  ///   - progress: Called on the reactor with the number of bytes forwarded since the last call.
  /// - Returns: The total number of bytes.
  /// - Throws: As ``read()`` and ``write(_:)-(Chunk)`` do; ``ConnectionError/peer`` shows which connection has failed.
  ///   If it is cancelled, the bytes already taken from this connection are sent on the other.
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

  /// The fallback if the two belong to different reactors.
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
