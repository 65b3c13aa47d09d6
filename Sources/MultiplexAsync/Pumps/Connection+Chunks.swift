extension Connection {
  /// Calls a handler with each chunk received, until the peer has finished sending.
  ///
  ///     try await connection.forEachChunk { chunk, replies in
  ///       replies.write(chunk)
  ///     }
  ///
  /// Equivalent to reading and writing in a loop, at less than half the cost for small messages. The calling task is
  /// suspended once, until the end. The loop calls the handler, which therefore can't wait; for protocols that have to
  /// wait, use ``read()`` and ``write(_:)-(Chunk)``. The handler doesn't run in the calling task: `Task.isCancelled`
  /// and task-local values mean nothing there.
  ///
  /// Backpressure, cancellation and deadlines work as with reading and writing. While the queue is above the high
  /// watermark, nothing is read. Cancelling the task ends the call immediately, and loses no byte: what the handler
  /// hasn't received is returned by the next read.
  ///
  /// - Parameter handler: May keep its state in captured variables; state that others use must be in something that can
  ///   be shared.
  /// - Throws: What the handler throws; what ``read()`` and ``write(_:)-(Chunk)`` throw.
  public func forEachChunk(_ handler: sending @escaping ChunkHandler.Body) async throws {
    // Only the reactor's thread calls it.
    nonisolated(unsafe) let handler = handler
    try await reactor.run { try await self.forEachChunkHere(unsafe handler) }
  }

  private func forEachChunkHere(_ handler: @escaping ChunkHandler.Body) async throws {
    let pump = unsafe ChunkPump(on: self, id: core.makeWaitID(), by: ChunkHandler(handler))
    let error = await pump.run()
    if let failure = pump.thrown ?? error { throw failure }
  }
}
