internal import Multiplex

extension Connection {
  /// Made once: every line needs it.
  private static let newline = [UInt8(ascii: "\n")]

  /// Reads the next available bytes: at least one, at most 64 KiB. On io_uring, usually at most one 16 KiB buffer at a
  /// time. More may be pending.
  ///
  /// - Returns: The bytes, in a buffer of a pool; nil when the peer has finished sending.
  /// - Throws: ``ConnectionError/Reason/reset``, ``ConnectionError/Reason/timedOut``,
  ///   ``ConnectionError/Reason/cancelled``, ``ConnectionError/Reason/closed``, ``ConnectionError/Reason/busy``.
  public func read() async throws(ConnectionError) -> Chunk? {
    try checkCancellation(during: .read)
    // A task that doesn't prefer this reactor, or runs in an actor, may resume elsewhere after each wait.
    while reactor.isCurrent {
      if let outcome = unsafe core.readNow() { return try chunk(of: outcome) }
      if let reason = await awaitInput(unsafe core.makeWaitID()) { throw failure(reason, during: .read) }
    }
    return try chunk(of: await readThere())
  }

  /// Never inlined: its variables would be part of the frame that waits for input.
  @inline(never)
  private func readThere() async -> ConnectionCore.ReadOutcome {
    await reactor.run {
      while true {
        if let outcome = unsafe self.core.readNow() { return outcome }
        if let reason = await self.awaitInput(unsafe self.core.makeWaitID()) { return .refused(reason) }
      }
    }
  }

  /// - Parameter outcome: Consumed once, with its buffer.
  @inline(__always)
  func chunk(of outcome: ConnectionCore.ReadOutcome) throws(ConnectionError) -> Chunk? {
    switch outcome {
    case .refused(let reason): throw failure(reason, during: .read)
    case .endOfInput: return nil
    case .bytes(let buffer, let count): return unsafe Chunk(buffer, count: count, reactor: reactor)
    }
  }

  /// Reads the next available bytes into memory, from its beginning. More may be pending even if the memory isn't full.
  ///
  ///     var bytes = [UInt8](repeating: 0, count: 4096)
  ///     var memory = bytes.mutableSpan
  ///     while let count = try await connection.read(into: &memory) { ... }
  ///
  /// If the reactor runs the calling task, the kernel writes straight into the memory. For other tasks the bytes are
  /// copied, as they are on a driver that received them before they were asked for.
  ///
  /// - Returns: The number of bytes, at least 1; nil when the peer has finished sending. For empty memory always 0, at
  ///   once.
  /// - Throws: As ``read()`` does. No byte is lost in that case.
  public func read(into memory: inout MutableRawSpan) async throws(ConnectionError) -> Int? {
    try checkCancellation(during: .read)
    guard memory.byteCount > 0 else { return 0 }
    while true {
      if reactor.isCurrent, let outcome = unsafe memory.withUnsafeMutableBytes({ unsafe core.readNow(into: $0) }) {
        switch outcome {
        case .filled(let count):
          if unsafe core.share.spend() { await reactor.nextTurn() }
          return count
        case .endOfInput: return nil
        case .refused(let reason): throw failure(reason, during: .read)
        }
      }
      // Another task can't borrow the memory.
      guard reactor.isPreferred else { return try await readThere(into: &memory) }
      if let reason = await awaitInput(unsafe core.makeWaitID()) { throw failure(reason, during: .read) }
    }
  }

  /// Reads the next available bytes into memory: see ``read(into:)-(MutableRawSpan)``.
  public func read(into memory: inout MutableSpan<UInt8>) async throws(ConnectionError) -> Int? {
    // Any bytes are valid bytes.
    var memory = unsafe memory.mutableBytes
    return try await read(into: &memory)
  }

  private func readThere(into memory: inout MutableRawSpan) async throws(ConnectionError) -> Int? {
    let room = memory.byteCount
    let bytes = try await reactor.run { () async throws(ConnectionError) in
      try await self.takeHere { queue in queue.isEmpty ? nil : min(queue.count, room) }
    }
    guard let bytes else { return nil }
    unsafe memory.withUnsafeMutableBytes { unsafe $0.copyBytes(from: bytes) }
    return bytes.count
  }

  /// Reads exactly `count` bytes; none for zero or less.
  ///
  /// - Throws: ``ConnectionError/Reason/endOfInput`` if the peer finishes first; and as ``read()`` does. In every case
  ///   the received bytes are kept for the next read, which returns nil if there were none.
  ///   ``readFrame(lengthPrefix:limit:)`` distinguishes the end between two messages from one within a message.
  public func read(exactly count: Int) async throws(ConnectionError) -> [UInt8] {
    let count = max(0, count)
    let bytes = try await reactor.run { () async throws(ConnectionError) in
      try await self.takeHere { queue in queue.count >= count ? count : nil }
    }
    guard let bytes else { throw failure(.endOfInput, during: .read) }
    return bytes
  }

  /// Reads a line, which ends with a line feed, or with the end of input.
  ///
  /// - Parameter limit: The longest line, in bytes including its end; zero or less allows none. Whether a line of that
  ///   length without its end is too long is known only after one more byte, or the end of input.
  /// - Returns: The line with its end, if it has one; nil when the peer has finished sending.
  /// - Throws: ``ConnectionError/Reason/limitExceeded``, and as ``read()`` does. In every case the received bytes are
  ///   kept for the next read.
  public func readLine(limit: Int = 64 * 1024) async throws(ConnectionError) -> [UInt8]? {
    try await read(through: Self.newline, limit: limit)
  }

  /// Reads up to a delimiter, such as the blank line that ends the head of an HTTP message.
  ///
  ///     let head = try await connection.read(through: Array("\r\n\r\n".utf8), limit: 16 * 1024)
  ///
  /// - Parameters:
  ///   - delimiter: At least one byte; an empty one is found immediately.
  ///   - limit: The most bytes up to and including the delimiter; zero or less allows none. Whether that many bytes
  ///     without it are too many is known only after one more byte, or the end of input.
  /// - Returns: The bytes up to the end of the delimiter, or of the input; nil when the peer has finished sending.
  /// - Throws: ``ConnectionError/Reason/limitExceeded``, and as ``read()`` does. In every case the received bytes are
  ///   kept for the next read.
  public func read(through delimiter: [UInt8], limit: Int = 64 * 1024) async throws(ConnectionError) -> [UInt8]? {
    try await reactor.run { () async throws(ConnectionError) in try await self.takeHere(through: delimiter, limit) }
  }

  private func takeHere(through delimiter: [UInt8], _ limit: Int) async throws(ConnectionError) -> [UInt8]? {
    var searched = 0
    var isTooLong = false
    let bytes = try await takeHere { queue in
      let length = queue.contents.endOfFirst(delimiter, from: searched)
      // The last bytes may be the beginning of the delimiter.
      searched = max(0, queue.count - delimiter.count + 1)
      isTooLong = length ?? queue.count > limit
      return isTooLong ? 0 : length
    }
    guard !isTooLong else { throw failure(.limitExceeded, during: .read) }
    guard bytes == nil else { return bytes }
    // The end of input also ends the last piece.
    let rest = unsafe core.takeLookahead(core.lookahead.count)
    return rest.isEmpty ? nil : rest
  }

  /// Receives until `measure` returns a number, and takes that many bytes; nil at the end of input.
  func takeHere(_ measure: (ByteQueue) -> Int?) async throws(ConnectionError) -> [UInt8]? {
    try checkCancellation(during: .read)
    while true {
      // The bytes may be those of another reader that waits for more.
      if let reason = unsafe core.readRefusal { throw failure(reason, during: .read) }
      if let count = unsafe measure(core.lookahead) {
        let bytes = unsafe core.takeLookahead(count)
        if unsafe core.share.spend() { await reactor.nextTurn() }
        return bytes
      }
      switch unsafe core.receiveNow() {
      case nil:
        if let reason = await awaitInput(unsafe core.makeWaitID()) { throw failure(reason, during: .read) }
      case .refused(let reason): throw failure(reason, during: .read)
      case .endOfInput: return nil
      case .bytes(let buffer, let count):
        let chunk = unsafe Chunk(buffer, count: count, reactor: reactor)
        chunk.withBytes { bytes in unsafe bytes.withUnsafeBytes { unsafe core.lookahead.append($0) } }
      }
    }
  }
}

// MARK: - Waiting

extension Connection {
  /// - Parameter id: Names this wait: ``ConnectionCore/makeWaitID()``.
  /// - Returns: Why reading can't continue; nil if it should be tried again.
  func awaitInput(_ id: WaitID) async -> ConnectionError.Reason? {
    id == .owner ? await waitForInput(id) : await awaitInputUnlessCancelled(id)
  }

  /// Never inlined, as above.
  @inline(never)
  private func awaitInputUnlessCancelled(_ id: WaitID) async -> ConnectionError.Reason? {
    await withTaskCancellationHandler {
      await waitForInput(id)
    } onCancel: {
      reactor.loop.perform { [self] in unsafe core.cancelRead(id) }
    }
  }

  private func waitForInput(_ id: WaitID) async -> ConnectionError.Reason? {
    // Waiting in place would block an actor: the one that serves the connection. Other callers were left for the
    // cancellation handler above.
    if isNoActor(#isolation), awaitInputInPlace(id) { return nil }
    return await Waiter.suspend { waiter in
      if reactor.isCurrent { return unsafe core.awaitInput(id, waiter, isCancelled: core.isCancelled(id)) }
      beginElsewhere { core, isCancelled in core.awaitInput(id, waiter, isCancelled: isCancelled) }
    }
  }

  /// - Returns: Whether reading should be tried again.
  private func awaitInputInPlace(_ id: WaitID) -> Bool {
    let loop = reactor.loop
    guard loop.isCurrent, loop.runsOnlyCaller else { return false }
    return unsafe core.awaitInputInPlace(id, on: loop)
  }

  /// Begins, on the reactor's thread, the wait of a task that has moved elsewhere since it decided to wait. Whether it
  /// was cancelled is checked there: the cancellation handler may run first.
  func beginElsewhere(_ begin: @escaping @Sendable (_ core: ConnectionCore, _ isCancelled: Bool) -> Void) {
    let task = CallingTask.current
    reactor.loop.perform { [self] in unsafe begin(core, task?.isCancelled ?? false) }
  }
}
