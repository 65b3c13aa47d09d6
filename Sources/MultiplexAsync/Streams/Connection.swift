public import Multiplex
internal import SystemPackage

/// A stream of bytes to and from a peer, over TCP or a Unix socket.
///
///     while let chunk = try await connection.read() {
///       try await connection.write(chunk)
///     }
///
/// One task reads at a time; any number may write, and each write is sent whole. Reading and writing go on independently
/// of each other. A connection belongs to a reactor and is cheapest for its tasks, but any task may use it.
///
/// - An idle connection holds no buffer.
/// - What can't be sent at once is queued. Once the queue holds more than the high watermark, writes wait until it has
///   fallen to the low one: memory stays bounded by the high watermark and one write of each task that writes. A write
///   that was cancelled while it waited is queued all the same; heed the error.
/// - Cancelling a task wakes its read or write at once, with ``ConnectionError/Reason/cancelled``. No byte is lost: what
///   wasn't read is read by the next read, and what a write has taken is sent. The connection remains usable.
/// - It is closed by ``close()`` or ``abort()``, or when the last reference is gone.
@safe
public final class Connection: Sendable {
  /// The reactor that the connection belongs to.
  public let reactor: Reactor
  /// The other side's address; an unnamed one for a Unix socket without a path.
  public let peerAddress: SocketAddress?
  /// Reached on the reactor's thread alone.
  nonisolated(unsafe) let stream: Stream

  /// On the reactor's thread.
  init(_ channel: any Channel, peer: SocketAddress?, origin: ObservedConnection.Origin, on reactor: Reactor) {
    self.reactor = reactor
    self.peerAddress = peer
    let observation = ConnectionObservation(
      reactor.loop.subscription, descriptor: channel.rawDescriptor, peer: peer, origin: origin)
    unsafe stream = Stream(channel, driver: reactor.loop.driver, observation: observation)
  }

  /// Makes a connection of a connected socket, which it takes over, and makes non-blocking.
  ///
  /// - Throws: What keeps the reactor from waiting for it; the socket is closed then.
  public static func adopting(_ socket: Socket, on reactor: Reactor) async throws(MultiplexError) -> Connection {
    try socket.setNonBlocking()
    return try await adopting(socket, origin: .adopted, on: reactor)
  }

  static func adopting(
    _ socket: Socket, origin: ObservedConnection.Origin, on reactor: Reactor
  ) async throws(MultiplexError) -> Connection {
    let peer = socket.peerAddress
    let descriptor = try socket.take().release()
    return try await reactor.run { () async throws(MultiplexError) in
      let channel = try reactor.loop.driver.makeChannel(OwnedDescriptor(adopting: descriptor))
      return Connection(channel, peer: peer, origin: origin, on: reactor)
    }
  }

  deinit {
    if reactor.isCurrent {
      unsafe stream.abort(because: .dropped)
    } else {
      nonisolated(unsafe) let stream = unsafe stream
      reactor.onLoop { unsafe stream.abort(because: .dropped) }
    }
  }

  func failure(_ reason: ConnectionError.Reason, during operation: ConnectionError.Operation) -> ConnectionError {
    ConnectionError(reason, during: operation, peer: peerAddress)
  }
}

// MARK: - Reading

extension Connection {
  /// Takes what comes next: as much as there is, at most 64 KiB.
  ///
  /// - Returns: The bytes, in a buffer that is lent; nil when the peer has finished sending.
  /// - Throws: ``ConnectionError/Reason/reset``, ``ConnectionError/Reason/timedOut``,
  ///   ``ConnectionError/Reason/cancelled``, ``ConnectionError/Reason/closed``, ``ConnectionError/Reason/busy``.
  public func read() async throws(ConnectionError) -> Chunk? {
    // A task that doesn't prefer this reactor, or is in an actor, may go on elsewhere after each wait.
    while reactor.isCurrent {
      if let outcome = unsafe stream.readNow() { return try chunk(of: outcome) }
      if let reason = await awaitInput(unsafe stream.makeWaitID()) { throw failure(reason, during: .read) }
    }
    return try chunk(of: await readThere())
  }

  /// Never inlined: what it needs would be part of the frame that waits for input.
  @inline(never)
  private func readThere() async -> Stream.ReadOutcome {
    await here {
      while true {
        if let outcome = unsafe self.stream.readNow() { return outcome }
        if let reason = await self.awaitInput(unsafe self.stream.makeWaitID()) { return .refused(reason) }
      }
    }
  }

  /// - Parameter outcome: Taken once, and the buffer with it.
  private func chunk(of outcome: Stream.ReadOutcome) throws(ConnectionError) -> Chunk? {
    switch outcome {
    case .refused(let reason): throw failure(reason, during: .read)
    case .received(.failure(let errno)): throw failure(.init(errno), during: .read)
    case .received(.endOfInput): return nil
    case .received(.bytes(let buffer, let count)): return unsafe Chunk(buffer, count: count, reactor: reactor)
    }
  }

  /// - Parameter id: Of this wait; ``Stream/makeWaitID()``.
  /// - Returns: Why reading isn't worth another try; nil if it is.
  func awaitInput(_ id: UInt64) async -> ConnectionError.Reason? {
    id == Stream.ownerID ? await suspendForInput(id) : await awaitInputUnlessCancelled(id)
  }

  /// Never inlined, as above.
  @inline(never)
  private func awaitInputUnlessCancelled(_ id: UInt64) async -> ConnectionError.Reason? {
    await withTaskCancellationHandler {
      await suspendForInput(id)
    } onCancel: {
      reactor.loop.add(.call { [self] in unsafe stream.cancelRead(id) })
    }
  }

  private func suspendForInput(_ id: UInt64) async -> ConnectionError.Reason? {
    await Waiter.suspend { waiter in
      if reactor.isCurrent { return unsafe stream.awaitInput(id, waiter, isCancelled: stream.isCancelled(id)) }
      beginElsewhere { stream, isCancelled in stream.awaitInput(id, waiter, isCancelled: isCancelled) }
    }
  }

  /// Begins the wait of a task that has been taken elsewhere since it decided to wait, on the reactor's thread. Whether it
  /// was cancelled is asked there: the call that tells of it may come first.
  private func beginElsewhere(_ begin: @escaping @Sendable (_ stream: Stream, _ isCancelled: Bool) -> Void) {
    let task = CallingTask.current
    reactor.loop.add(.call { [self] in unsafe begin(stream, task?.isCancelled ?? false) })
  }

  /// Waits for exactly so many bytes.
  ///
  /// - Throws: ``ConnectionError/Reason/endOfInput`` if the peer finishes before; and as ``read()`` does. In every case
  ///   the bytes that have come are kept for the next read.
  public func read(exactly count: Int) async throws(ConnectionError) -> [UInt8] {
    let count = max(0, count)
    let bytes = try await here { () async throws(ConnectionError) in
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
    try await here { () async throws(ConnectionError) in try await self.takeLineHere(limit) }
  }

  private func takeLineHere(_ limit: Int) async throws(ConnectionError) -> [UInt8]? {
    var searched = 0
    var isTooLong = false
    let line = try await takeHere { queue in
      let end = queue.contents.dropFirst(searched).firstIndex(of: UInt8(ascii: "\n"))
      let length = end.map { $0 - queue.contents.startIndex + 1 }
      searched = queue.count
      isTooLong = length ?? searched > limit
      return isTooLong ? 0 : length
    }
    guard !isTooLong else { throw failure(.limitExceeded, during: .read) }
    guard line == nil else { return line }
    // The end of input ends the last line too.
    let rest = unsafe stream.takeLookahead(stream.lookahead.count)
    return rest.isEmpty ? nil : rest
  }

  /// Receives until a measure is satisfied, and takes as many bytes as it says; nil at the end of input.
  func takeHere(_ measure: (ByteQueue) -> Int?) async throws(ConnectionError) -> [UInt8]? {
    while true {
      if let count = unsafe measure(stream.lookahead) { return unsafe stream.takeLookahead(count) }
      switch unsafe stream.receiveNow() {
      case nil:
        if let reason = await awaitInput(unsafe stream.makeWaitID()) { throw failure(reason, during: .read) }
      case .refused(let reason): throw failure(reason, during: .read)
      case .received(.failure(let errno)): throw failure(.init(errno), during: .read)
      case .received(.endOfInput): return nil
      case .received(.bytes(let buffer, let count)):
        let chunk = unsafe Chunk(buffer, count: count, reactor: reactor)
        chunk.withBytes { bytes in unsafe bytes.withUnsafeBytes { unsafe stream.lookahead.append($0) } }
      }
    }
  }

  /// Does something on the reactor's thread that waits for nothing: at once, if that is the calling one.
  private func onStream<Result: Sendable>(_ body: @escaping @Sendable (Stream) -> Result) async -> Result {
    if reactor.isCurrent { return unsafe body(stream) }
    return await here { unsafe body(self.stream) }
  }

  /// Runs on the reactor, to the end.
  func here<Value: Sendable, Failure: Error>(
    _ body: @escaping @Sendable () async throws(Failure) -> Value
  ) async throws(Failure) -> Value {
    try await reactor.run(body)
  }
}

// MARK: - Writing

extension Connection {
  /// Sends what a read has brought, and returns its buffer.
  ///
  /// Returns when the bytes are sent or queued, and the queue is not above the high watermark.
  ///
  /// - Throws: ``ConnectionError/Reason/reset``, ``ConnectionError/Reason/closed``, and
  ///   ``ConnectionError/Reason/cancelled`` while it waits: the bytes are queued then, and will be sent.
  public func write(_ chunk: consuming Chunk) async throws(ConnectionError) {
    guard reactor.isCurrent else { return try await write(chunk.array) }
    let outcome: Stream.WriteOutcome
    if chunk.reactor === reactor {
      outcome = unsafe stream.write(chunk)
    } else {
      outcome = unsafe stream.write(bytesOf: chunk)
    }
    // Most writes end here, without a wait.
    if case .taken = outcome { return }
    try await finishWrite(outcome)
  }

  /// Sends bytes.
  ///
  /// Returns when they are sent or queued, and the queue is not above the high watermark.
  ///
  /// - Throws: As ``write(_:)-(Chunk)`` does.
  public func write(_ bytes: [UInt8]) async throws(ConnectionError) {
    guard reactor.isCurrent else {
      return try await here { () async throws(ConnectionError) in try await self.write(bytes) }
    }
    let outcome = unsafe bytes.withUnsafeBytes { unsafe stream.write($0) }
    // Most writes end here, without a wait.
    if case .taken = outcome { return }
    try await finishWrite(outcome)
  }

  /// Sends a text as UTF-8.
  public func write(_ text: String) async throws(ConnectionError) {
    try await write([UInt8](text.utf8))
  }

  /// Waits where a write has to.
  func finishWrite(_ outcome: Stream.WriteOutcome) async throws(ConnectionError) {
    let reason: ConnectionError.Reason?
    switch outcome {
    case .taken: return
    case .refused(let refusal): reason = refusal
    case .busy: return await reactor.nextTurn()
    case .full: reason = await awaitOutput(.room)
    }
    if let reason { throw failure(reason, during: .write) }
  }

  /// - Returns: Why it will never come; nil if it has.
  private func awaitOutput(_ goal: Stream.OutputGoal) async -> ConnectionError.Reason? {
    guard reactor.isCurrent else { return await reactor.run { await self.awaitOutput(goal) } }
    let id = unsafe stream.makeWaitID()
    if id == Stream.ownerID { return await suspend(until: goal, id) }
    return await withTaskCancellationHandler {
      await suspend(until: goal, id)
    } onCancel: {
      reactor.loop.add(.call { [self] in unsafe stream.cancelWrite(id) })
    }
  }

  private func suspend(until goal: Stream.OutputGoal, _ id: UInt64) async -> ConnectionError.Reason? {
    await Waiter.suspend { waiter in
      if reactor.isCurrent { return unsafe stream.awaitOutput(goal, id, waiter, isCancelled: stream.isCancelled(id)) }
      beginElsewhere { stream, isCancelled in stream.awaitOutput(goal, id, waiter, isCancelled: isCancelled) }
    }
  }

  /// Waits until everything that was written has been taken by the kernel.
  public func flush() async throws(ConnectionError) {
    let reason = await here { await self.flushHere() }
    if let reason { throw failure(reason, during: .write) }
  }

  private func flushHere() async -> ConnectionError.Reason? {
    await awaitOutput(.flush)
  }

  /// Ends this side: sends what is queued, then the end. The peer reads to it; it may go on sending.
  ///
  /// - Throws: As ``write(_:)-(Chunk)`` does.
  public func closeWrite() async throws(ConnectionError) {
    let reason = await here { await self.endOutputHere() }
    if let reason { throw failure(reason, during: .closeWrite) }
  }

  /// Takes no more to send, and waits until all that was written is sent.
  private func endOutputHere() async -> ConnectionError.Reason? {
    unsafe stream.endOutput()
    return await flushHere()
  }

  /// When writes wait for a slow peer.
  public func setWatermarks(_ watermarks: Watermarks) async {
    await onStream { $0.watermarks = watermarks }
  }

  /// How many bytes were written and wait for room to be sent.
  public var queuedCount: Int {
    get async { await onStream { $0.unsentCount } }
  }
}

// MARK: - Serving

extension Connection {
  /// Runs the handler that serves this connection, in the calling task, which prefers the reactor.
  ///
  /// The task asks once to be told of its cancellation. All its waits would have to otherwise, at a price.
  package func serve(_ handler: (Connection) async throws -> Void) async throws {
    try await withTaskCancellationHandler {
      try await serveForListener(handler)
    } onCancel: {
      serviceWasCancelled()
    }
  }

  /// Serves as ``serve(_:)`` does, in a task that doesn't ask at all: the listener that cancels it calls
  /// ``serviceWasCancelled()`` too.
  func serveForListener(_ handler: (Connection) async throws -> Void) async throws {
    unsafe stream.beginService()
    defer { reactor.onLoop { [self] in unsafe stream.endService() } }
    try await handler(self)
  }

  /// The task that serves this connection was cancelled, though it may not have begun: its waits end. From any thread.
  func serviceWasCancelled() {
    // Not at once, even here: the runtime may be in the middle of cancelling.
    reactor.loop.add(.call { [self] in unsafe stream.serviceWasCancelled() })
  }
}

// MARK: - Closing

extension Connection {
  /// Sends what is queued, then closes. A task that waits is woken with ``ConnectionError/Reason/closed``.
  ///
  /// If the calling task is cancelled meanwhile, or the peer has gone, the connection is closed at once.
  public func close() async {
    guard !closeIfFlushed() else { return }
    await here {
      // No write that comes now is to keep it from its end.
      let reason = await self.endOutputHere()
      unsafe self.stream.abort(because: reason == nil ? .finished : .aborted)
    }
  }

  /// Closes as ``close()`` does, if that takes no wait.
  ///
  /// - Returns: Whether it is closed.
  func closeIfFlushed() -> Bool {
    unsafe reactor.isCurrent && stream.closeIfFlushed()
  }

  /// Closes the connection when no byte has come or gone for so long. Reads and writes fail with
  /// ``ConnectionError/Reason/timedOut`` then, also those that wait; what is queued is lost.
  ///
  /// A peer that is slow to take what the kernel holds for it isn't idle; as that is asked for only when the time is up,
  /// it may take up to twice the limit to notice that such a peer has stopped.
  ///
  /// - Parameter limit: Counted from this call, and from each byte on; nil sets no limit.
  public func setIdleTimeout(_ limit: Duration?) async {
    await onStream { [loop = reactor.loop] in $0.setIdleTimeout(limit, on: loop) }
  }

  /// Closes if nothing waits to be sent, and nothing has moved since the last call. The first one closes nothing.
  func closeIfAtRest() {
    reactor.onLoop { [self] in unsafe stream.closeIfAtRest() }
  }

  /// Breaks the connection off at once, from any thread. What is queued is lost, and what the kernel has yet to deliver:
  /// a peer over TCP gets an error (ECONNRESET) in place of the end, and takes no part for the whole.
  public func abort() {
    abort(because: .aborted)
  }

  /// - Parameter reason: For the observer.
  func abort(because reason: CloseReason) {
    reactor.onLoop { [self] in unsafe stream.abort(because: reason) }
  }
}
