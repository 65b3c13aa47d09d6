extension Connection {
  /// Sends what a read has brought, and returns its buffer.
  ///
  /// Returns when the bytes are sent or queued, and the queue is not above the high watermark.
  ///
  /// - Throws: ``ConnectionError/Reason/reset``, ``ConnectionError/Reason/closed``. ``ConnectionError/Reason/cancelled`` in a task
  ///   that is cancelled, when the call waits or yields to others: the bytes are queued then, and will be sent.
  @inlinable
  public func write(_ chunk: consuming Chunk) async throws(ConnectionError) {
    if let rest = begin(chunk) { try await finish(rest) }
  }

  @usableFromInline
  func begin(_ chunk: consuming Chunk) -> UnfinishedWrite? {
    guard reactor.isCurrent else { return UnfinishedWrite(.elsewhere([chunk.array])) }
    return unsafe core.write(chunk, on: reactor)
  }

  /// Sends bytes.
  ///
  /// Returns when they are sent or queued, and the queue is not above the high watermark.
  ///
  /// - Throws: As ``write(_:)-(Chunk)`` does.
  @inlinable
  public func write(_ bytes: [UInt8]) async throws(ConnectionError) {
    if let rest = begin(bytes) { try await finish(rest) }
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

  /// Sends bytes of the caller's memory, of which only what can't be sent at once is copied; for a task that the reactor
  /// doesn't run, all of them.
  ///
  /// Returns when they are sent or queued, and the queue is not above the high watermark.
  ///
  /// - Throws: As ``write(_:)-(Chunk)`` does.
  @inlinable
  public func write(_ bytes: RawSpan) async throws(ConnectionError) {
    if let rest = begin(bytes) { try await finish(rest) }
  }

  @usableFromInline
  func begin(_ bytes: RawSpan) -> UnfinishedWrite? {
    // The memory is lent for the time of the call; the array copies.
    unsafe bytes.withUnsafeBytes { bytes in
      guard reactor.isCurrent else { return UnfinishedWrite(.elsewhere([unsafe [UInt8](bytes)])) }
      return unsafe core.write(bytes)
    }
  }

  /// Sends several pieces as if they were one: in their order, with nothing of another task's between them, in one system
  /// call for each 64 of them. A header and a body needn't be put together for that.
  ///
  /// Returns when they are sent or queued, and the queue is not above the high watermark. What can't be sent at once is
  /// copied.
  ///
  /// Corresponding C function: `sendmsg`; `writev` is the same without flags.
  ///
  /// - Throws: As ``write(_:)-(Chunk)`` does.
  @inlinable
  public func write(vectored pieces: [[UInt8]]) async throws(ConnectionError) {
    if let rest = begin(pieces) { try await finish(rest) }
  }

  @usableFromInline
  func begin(_ pieces: [[UInt8]]) -> UnfinishedWrite? {
    guard reactor.isCurrent else { return UnfinishedWrite(.elsewhere(pieces)) }
    return unsafe core.write(pieces)
  }

  /// Does what is left of a write: waits, or does all of it where it can be done.
  @usableFromInline
  func finish(_ write: UnfinishedWrite) async throws(ConnectionError) {
    switch write.rest {
    case .elsewhere(let pieces):
      try await reactor.run { () async throws(ConnectionError) in try await self.write(vectored: pieces) }
    case .room: try check(await awaitOutput(.room))
    case .turn:
      await reactor.nextTurn()
      // A loop of writes that never have to wait is to end as well.
      try checkCancellation(during: .write)
    case .refused(let reason): throw failure(reason, during: .write)
    }
  }

  private func check(_ reason: ConnectionError.Reason?) throws(ConnectionError) {
    if let reason { throw failure(reason, during: .write) }
  }

  /// - Returns: Why it will never come; nil if it has.
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

  /// Waits until everything that was written has been taken by the kernel.
  ///
  /// - Throws: As ``write(_:)-(Chunk)`` does.
  public func flush() async throws(ConnectionError) {
    try check(await reactor.run { await self.flushHere() })
  }

  private func flushHere() async -> ConnectionError.Reason? {
    await awaitOutput(.flush)
  }

  /// Ends this side: sends what is queued, then the end. The peer reads to it; it may go on sending.
  ///
  /// - Throws: As ``write(_:)-(Chunk)`` does.
  public func closeWrite() async throws(ConnectionError) {
    let reason = await reactor.run { await self.endOutputHere() }
    if let reason { throw failure(reason, during: .closeWrite) }
  }

  /// Takes no more to send, and waits until all that was written is sent.
  func endOutputHere() async -> ConnectionError.Reason? {
    unsafe core.endOutput()
    return await flushHere()
  }

  /// When writes wait for a slow peer. From any thread; it holds for what is done from here on.
  public func setWatermarks(_ watermarks: Watermarks) {
    reactor.onLoop { [self] in unsafe core.watermarks = watermarks }
  }

  /// How many bytes were written and wait for room to be sent; 0 once the connection is closed.
  public var queuedCount: Int {
    get async { await onCore { $0.isClosed ? 0 : $0.unsentCount } }
  }
}
