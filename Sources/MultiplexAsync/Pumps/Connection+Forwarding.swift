internal import Multiplex

extension Connection {
  /// Forwards everything received on this connection to another, until the peer closes its side.
  ///
  ///     try await client.forward(to: server)
  ///     try await server.closeWrite()
  ///
  /// It does what reading and writing in a loop would do, with the same backpressure but less copying: when much data
  /// arrives at a time, and both connections belong to the same reactor, the bytes don't leave the kernel. The end of
  /// input is not forwarded. While it waits for input, it doesn't look at the destination: that this one has been
  /// closed or reset is found out by the next write. To forward both ways, use ``relay(with:)``.
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

  /// Forwards both ways, until both peers have finished: each gets what the other sends, and then its end of input.
  ///
  ///     await listener.serve { client in
  ///       let server = try await Connection.connect(to: address, on: client.reactor)
  ///       try await client.relay(with: server)
  ///     }
  ///
  /// When one direction fails, the other is cancelled. A peer that has finished sending, and then goes away, is noticed
  /// only when something is sent to it: ``setIdleTimeout(_:)`` limits how long that may take.
  ///
  /// Neither connection is closed by this, except that nothing can be written any more to one whose peer has got the end
  /// of input. After an error, abort both: otherwise a peer might take what it got for the whole.
  ///
  /// - Parameter other: A connection that nobody else reads. The bytes are copied if it belongs to another reactor.
  /// - Throws: As ``forward(to:progress:)`` and ``closeWrite()`` do.
  public func relay(with other: Connection) async throws(ConnectionError) {
    let failure = await withTaskGroup(of: ConnectionError?.self) { directions -> ConnectionError? in
      for (source, destination) in [(self, other), (other, self)] {
        directions.addTask(executorPreference: source.reactor) { await source.forwardToEnd(to: destination) }
      }
      for await case let failure? in directions {
        // The group waits for the other one.
        directions.cancelAll()
        return failure
      }
      return nil
    }
    if let failure { throw failure }
  }

  private func forwardToEnd(to destination: Connection) async -> ConnectionError? {
    do {
      try await forward(to: destination)
      try await destination.closeWrite()
      return nil
    } catch {
      return error
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
