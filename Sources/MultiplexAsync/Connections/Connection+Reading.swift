internal import Multiplex

extension Connection {
  /// Takes what comes next: at least one byte, at most 64 KiB. There may be more: on io_uring it is one buffer of 16 KiB at a
  /// time, as long as not much comes.
  ///
  /// - Returns: The bytes, in a buffer that is lent; nil when the peer has finished sending.
  /// - Throws: ``ConnectionError/Reason/reset``, ``ConnectionError/Reason/timedOut``,
  ///   ``ConnectionError/Reason/cancelled``, ``ConnectionError/Reason/closed``, ``ConnectionError/Reason/busy``.
  public func read() async throws(ConnectionError) -> Chunk? {
    try checkCancellation(during: .read)
    // A task that doesn't prefer this reactor, or is in an actor, may go on elsewhere after each wait.
    while reactor.isCurrent {
      if let outcome = unsafe core.readNow() { return try chunk(of: outcome) }
      if let reason = await awaitInput(unsafe core.makeWaitID()) { throw failure(reason, during: .read) }
    }
    return try chunk(of: await readThere())
  }

  /// Never inlined: what it needs would be part of the frame that waits for input.
  @inline(never)
  private func readThere() async -> ConnectionCore.ReadOutcome {
    await reactor.run {
      while true {
        if let outcome = unsafe self.core.readNow() { return outcome }
        if let reason = await self.awaitInput(unsafe self.core.makeWaitID()) { return .refused(reason) }
      }
    }
  }

  /// - Parameter outcome: Taken once, and the buffer with it.
  @inline(__always)
  func chunk(of outcome: ConnectionCore.ReadOutcome) throws(ConnectionError) -> Chunk? {
    switch outcome {
    case .refused(let reason): throw failure(reason, during: .read)
    case .endOfInput: return nil
    case .bytes(let buffer, let count): return unsafe Chunk(buffer, count: count, reactor: reactor)
    }
  }

  /// Takes what comes next, and puts it at the memory's beginning. There may be more, though the memory isn't full.
  ///
  ///     var bytes = [UInt8](repeating: 0, count: 4096)
  ///     var span = bytes.mutableSpan
  ///     var memory = unsafe span.mutableBytes // any bytes are valid bytes
  ///     while let count = try await connection.read(into: &memory) { ... }
  ///
  /// For a task that the reactor runs, the kernel writes straight into the memory. Any other gets a copy, as does one on a
  /// driver that has received the bytes before they were asked for.
  ///
  /// - Returns: The number of bytes, at least 1 unless the memory is empty; nil when the peer has finished sending.
  /// - Throws: As ``read()`` does. No byte is lost then.
  public func read(into memory: inout MutableRawSpan) async throws(ConnectionError) -> Int? {
    try checkCancellation(during: .read)
    guard memory.byteCount > 0 else { return 0 }
    while true {
      if reactor.isCurrent, let outcome = unsafe memory.withUnsafeMutableBytes({ unsafe core.readNow(into: $0) }) {
        switch outcome {
        case .filled(let count):
          if unsafe core.endsShare() { await reactor.nextTurn() }
          return count
        case .endOfInput: return nil
        case .refused(let reason): throw failure(reason, during: .read)
        }
      }
      // Memory can't be lent to another task.
      guard reactor.isPreferred else { return try await readThere(into: &memory) }
      if let reason = await awaitInput(unsafe core.makeWaitID()) { throw failure(reason, during: .read) }
    }
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

  /// Waits for exactly so many bytes.
  ///
  /// - Throws: ``ConnectionError/Reason/endOfInput`` if the peer finishes before; and as ``read()`` does. In every case
  ///   the bytes that have come are kept for the next read: if that returns nil, none had. ``readFrame(lengthPrefix:limit:)``
  ///   tells the end between two messages from one in the middle.
  public func read(exactly count: Int) async throws(ConnectionError) -> [UInt8] {
    let count = max(0, count)
    let bytes = try await reactor.run { () async throws(ConnectionError) in
      try await self.takeHere { queue in queue.count >= count ? count : nil }
    }
    guard let bytes else { throw failure(.endOfInput, during: .read) }
    return bytes
  }

  /// Waits for a line, which ends with a line feed, or with the end of input.
  ///
  /// - Parameter limit: The longest line, in bytes with its end. It takes one byte more, or the end of input, to tell
  ///   whether a line that long without its end is too long.
  /// - Returns: The line with its end, if it has one; nil when the peer has finished sending.
  /// - Throws: ``ConnectionError/Reason/limitExceeded``, and as ``read()`` does. In every case the bytes that have come
  ///   are kept for the next read.
  public func readLine(limit: Int = 64 * 1024) async throws(ConnectionError) -> [UInt8]? {
    try await read(through: [UInt8(ascii: "\n")], limit: limit)
  }

  /// Waits for a delimiter, such as the blank line that ends the head of an HTTP message.
  ///
  ///     let head = try await connection.read(through: Array("\r\n\r\n".utf8), limit: 16 * 1024)
  ///
  /// - Parameters:
  ///   - delimiter: At least one byte; an empty one is found at once.
  ///   - limit: The most bytes up to the end of the delimiter. It takes one byte more, or the end of input, to tell whether
  ///     that many bytes without the delimiter are too many.
  /// - Returns: The bytes up to the end of the delimiter, or of the input; nil when the peer has finished sending.
  /// - Throws: ``ConnectionError/Reason/limitExceeded``, and as ``read()`` does. In every case the bytes that have come
  ///   are kept for the next read.
  public func read(through delimiter: [UInt8], limit: Int = 64 * 1024) async throws(ConnectionError) -> [UInt8]? {
    try await reactor.run { () async throws(ConnectionError) in try await self.takeHere(through: delimiter, limit) }
  }

  private func takeHere(through delimiter: [UInt8], _ limit: Int) async throws(ConnectionError) -> [UInt8]? {
    var searched = 0
    var isTooLong = false
    let bytes = try await takeHere { queue in
      let length = queue.contents.endOfFirst(delimiter, from: searched)
      // The last bytes may be the delimiter's first.
      searched = max(0, queue.count - delimiter.count + 1)
      isTooLong = length ?? queue.count > limit
      return isTooLong ? 0 : length
    }
    guard !isTooLong else { throw failure(.limitExceeded, during: .read) }
    guard bytes == nil else { return bytes }
    // The end of input ends the last piece too.
    let rest = unsafe core.takeLookahead(core.lookahead.count)
    return rest.isEmpty ? nil : rest
  }

  /// Receives until a measure is satisfied, and takes as many bytes as it says; nil at the end of input.
  func takeHere(_ measure: (ByteQueue) -> Int?) async throws(ConnectionError) -> [UInt8]? {
    try checkCancellation(during: .read)
    while true {
      // What lies there may be what another reader waits for more of.
      if let reason = unsafe core.readRefusal { throw failure(reason, during: .read) }
      if let count = unsafe measure(core.lookahead) {
        let bytes = unsafe core.takeLookahead(count)
        if unsafe core.endsShare() { await reactor.nextTurn() }
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
  /// - Parameter id: Of this wait; ``ConnectionCore/makeWaitID()``.
  /// - Returns: Why reading can't go on; nil if it should be tried again.
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
    // An actor would be blocked for as long: one that serves the connection. Others have been left for the handler above.
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

  /// Begins the wait of a task that has been taken elsewhere since it decided to wait, on the reactor's thread. Whether it
  /// was cancelled is asked there: the call that tells of it may come first.
  func beginElsewhere(_ begin: @escaping @Sendable (_ core: ConnectionCore, _ isCancelled: Bool) -> Void) {
    let task = CallingTask.current
    reactor.loop.perform { [self] in unsafe begin(core, task?.isCancelled ?? false) }
  }
}
