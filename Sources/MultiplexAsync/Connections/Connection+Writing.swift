extension Connection {
  /// Sends a chunk, and recycles its buffer.
  ///
  /// Returns when the bytes are sent or queued, and the queue isn't above the high watermark. On a socket, small writes
  /// of one turn of the reactor are gathered: all but the first are sent when it ends; on io_uring the first one too. So
  /// a program that ends right after its last write has to call ``flush()`` or ``close()`` first.
  ///
  /// - Throws: ``ConnectionError/Reason/reset``, ``ConnectionError/Reason/closed``.
  ///   ``ConnectionError/Reason/cancelled`` in a cancelled task, if the call waits or yields to others: the bytes are
  ///   queued in that case, and will be sent.
  @inlinable
  public func write(_ chunk: consuming Chunk) async throws(ConnectionError) {
    if let remainder = begin(chunk) { try await finish(remainder) }
  }

  @usableFromInline
  func begin(_ chunk: consuming Chunk) -> UnfinishedWrite? {
    guard reactor.isCurrent else { return UnfinishedWrite(.elsewhere([chunk.array])) }
    return unsafe core.write(chunk, on: reactor)
  }

  /// Sends bytes.
  ///
  /// Returns when they are sent or queued, and the queue isn't above the high watermark.
  ///
  /// - Throws: As ``write(_:)-(Chunk)`` does.
  @inlinable
  public func write(_ bytes: [UInt8]) async throws(ConnectionError) {
    if let remainder = begin(bytes) { try await finish(remainder) }
  }

  @usableFromInline
  func begin(_ bytes: [UInt8]) -> UnfinishedWrite? {
    guard reactor.isCurrent else { return UnfinishedWrite(.elsewhere([bytes])) }
    return unsafe bytes.withUnsafeBytes { unsafe core.write($0) }
  }

  /// Sends a text as UTF-8.
  ///
  /// - Throws: As ``write(_:)-(Chunk)`` does.
  public func write(_ text: String) async throws(ConnectionError) {
    try await write([UInt8](text.utf8))
  }

  /// Sends any bytes: a slice, or the `utf8` of a text.
  ///
  /// - Throws: As ``write(_:)-(Chunk)`` does.
  @inlinable
  public func write(_ bytes: some Sequence<UInt8>) async throws(ConnectionError) {
    try await write([UInt8](bytes))
  }

  /// Sends bytes of the caller's memory. Only bytes that aren't sent at once are copied; all of them, if the reactor
  /// doesn't run the calling task.
  ///
  /// Returns when they are sent or queued, and the queue isn't above the high watermark.
  ///
  /// - Throws: As ``write(_:)-(Chunk)`` does.
  @inlinable
  public func write(_ bytes: RawSpan) async throws(ConnectionError) {
    if let remainder = begin(bytes) { try await finish(remainder) }
  }

  /// Sends bytes of the caller's memory: see ``write(_:)-(RawSpan)``.
  @inlinable
  public func write(_ bytes: Span<UInt8>) async throws(ConnectionError) {
    // Any byte is initialized.
    try await write(unsafe bytes.bytes)
  }

  @usableFromInline
  func begin(_ bytes: RawSpan) -> UnfinishedWrite? {
    // The memory is valid during the call; the array is a copy.
    unsafe bytes.withUnsafeBytes { bytes in
      guard reactor.isCurrent else { return UnfinishedWrite(.elsewhere([unsafe [UInt8](bytes)])) }
      return unsafe core.write(bytes)
    }
  }

  /// Sends several pieces as if they were one: in order and contiguously, with one system call for each 64 of them.
  /// Nothing needs to be concatenated first.
  ///
  /// Returns when they are sent or queued, and the queue isn't above the high watermark. Bytes that aren't sent at once
  /// are copied.
  ///
  /// Corresponding C function: `sendmsg`; `writev` is the same without flags.
  ///
  /// - Throws: As ``write(_:)-(Chunk)`` does.
  @inlinable
  public func write(vectored pieces: [[UInt8]]) async throws(ConnectionError) {
    if let remainder = begin(pieces) { try await finish(remainder) }
  }

  @usableFromInline
  func begin(_ pieces: [[UInt8]]) -> UnfinishedWrite? {
    guard reactor.isCurrent else { return UnfinishedWrite(.elsewhere(pieces)) }
    return unsafe core.write(pieces)
  }

  /// Finishes a write: waits, or does all of it where it can be done.
  @usableFromInline
  func finish(_ write: UnfinishedWrite) async throws(ConnectionError) {
    switch write.remainder {
    case .elsewhere(let pieces):
      try await reactor.run { () async throws(ConnectionError) in try await self.write(vectored: pieces) }
    case .room: try check(await awaitOutput(.room))
    case .turn:
      await reactor.nextTurn()
      // A loop of writes that never wait has to end on cancellation too.
      try checkCancellation(during: .write)
    case .refused(let reason): throw failure(reason, during: .write)
    }
  }

  private func check(_ reason: ConnectionError.Reason?) throws(ConnectionError) {
    if let reason { throw failure(reason, during: .write) }
  }

  /// - Returns: Why the goal will never be reached; nil if it has been.
  private func awaitOutput(_ goal: ConnectionCore.OutputGoal) async -> ConnectionError.Reason? {
    guard reactor.isCurrent else { return await reactor.run { await self.awaitOutput(goal) } }
    let id = unsafe core.makeWaitID()
    if id == .owner { return await suspend(until: goal, id) }
    return await withTaskCancellationHandler {
      await suspend(until: goal, id)
    } onCancel: {
      reactor.loop.perform { [self] in unsafe core.cancelWrite(id) }
    }
  }

  private func suspend(until goal: ConnectionCore.OutputGoal, _ id: WaitID) async -> ConnectionError.Reason? {
    await Waiter.suspend { waiter in
      if reactor.isCurrent {
        return unsafe core.awaitOutput(goal, id, .task(waiter), isCancelled: core.isCancelled(id))
      }
      beginElsewhere { core, isCancelled in core.awaitOutput(goal, id, .task(waiter), isCancelled: isCancelled) }
    }
  }

  /// Waits until the kernel has taken everything that was written.
  ///
  /// - Throws: As ``write(_:)-(Chunk)`` does.
  public func flush() async throws(ConnectionError) {
    try check(await reactor.run { await self.flushHere() })
  }

  private func flushHere() async -> ConnectionError.Reason? {
    await awaitOutput(.flush)
  }

  /// Closes the sending side after sending what is queued. The peer sees the end of input, and may go on sending. Later
  /// writes fail with ``ConnectionError/Reason/closed``; calling this again only waits.
  ///
  /// - Throws: As ``write(_:)-(Chunk)`` does.
  public func closeWrite() async throws(ConnectionError) {
    let reason = await reactor.run { await self.endOutputHere() }
    if let reason { throw failure(reason, during: .closeWrite) }
  }

  /// Refuses further writes, and waits until everything written is sent.
  func endOutputHere() async -> ConnectionError.Reason? {
    unsafe core.endOutput()
    return await flushHere()
  }

  /// Sets when writes wait for a slow peer. Call it from any thread; it applies to everything done afterwards.
  public func setWatermarks(_ watermarks: Watermarks) {
    reactor.onLoop { [self] in unsafe core.watermarks = watermarks }
  }

  /// How many written bytes wait to be sent; 0 once the connection is closed.
  public var queuedCount: Int {
    get async { await onCore { $0.isClosed ? 0 : $0.unsentCount } }
  }

  /// How many written bytes the peer has yet to take, as far as the kernel tells; 0 once the connection is closed.
  package var untakenCount: Int {
    get async { await onCore { $0.untakenCount } }
  }
}
