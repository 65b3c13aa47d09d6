public import Multiplex
internal import Synchronization
internal import SystemPackage

/// A stream of bytes to and from a peer, over TCP or a Unix socket.
///
///     while let chunk = try await connection.read() {
///       try await connection.write(chunk)
///     }
///
/// Only one task or chunk handler may read at a time; any number may write, and each write is sent contiguously.
/// Reading and writing are independent of each other. A connection belongs to a reactor and is cheapest for its tasks,
/// but any task may use it.
///
/// - An idle connection holds no buffer.
/// - What can't be sent at once is queued. Once the queue holds more than the high watermark, writes wait until it has
///   fallen to the low one: memory is bounded by the high watermark plus one write per writing task. A write that was
///   cancelled while it waited is still queued; check the error. A post never waits, and has its own limit.
/// - Cancelling a task ends its read or write immediately, with ``ConnectionError/Reason/cancelled``. No byte is lost:
///   unread bytes are returned by the next read, and bytes that a write has accepted are sent. The connection remains
///   usable.
/// - It is closed by ``close()`` or ``abort()``, or when the last reference is released.
@safe
public final class Connection: Sendable {
  /// The reactor that the connection belongs to.
  public let reactor: Reactor
  /// The other side's address; an unnamed one for a Unix socket without a path. nil for pipes and other files, for a
  /// socket that wasn't connected when it was adopted, and on io_uring for a client that had reset its connection
  /// before this side could ask for its address.
  public let peerAddress: SocketAddress?
  /// Used only on the reactor's thread.
  nonisolated(unsafe) let core: ConnectionCore
  /// How many bytes were posted on other threads and haven't reached the core yet; larger than any limit once there
  /// were too many. One number for both, as each connection has it.
  let postedElsewhere = Atomic<Int>(0)

  /// Makes a connection of a connected descriptor. Call it on the reactor's thread.
  ///
  /// - Throws: Why the reactor can't wait for the descriptor, which is closed then.
  convenience init(
    adopting descriptor: consuming OwnedDescriptor, peer: SocketAddress?, origin: ObservedConnection.Origin,
    on reactor: Reactor
  ) throws(MultiplexError) {
    let channel = try reactor.loop.driver.makeChannel(descriptor, isUnix: peer?.isUnix ?? false)
    self.init(channel, peer: peer, origin: origin, on: reactor)
  }

  /// Makes a connection that moves its bytes through a channel. Call it on the reactor's thread.
  init(
    _ channel: any Channel, peer: SocketAddress?, origin: ObservedConnection.Origin, on reactor: Reactor
  ) {
    let observation = ConnectionObservation.begin(
      for: reactor.loop.subscription, descriptor: channel.rawDescriptor, peer: peer, origin: origin)
    self.reactor = reactor
    self.peerAddress = peer
    unsafe core = ConnectionCore(
      channel, driver: reactor.loop.driver, gathering: reactor.loop.gathering, observation: observation)
  }

  /// Makes a connection of a connected socket. It takes ownership of the socket, makes it non-blocking, and sets
  /// `SocketOption.noDelay`.
  ///
  /// - Throws: `MultiplexError.Reason.invalidArgument` for a socket that listens or isn't a stream, and `ENOTSOCK`: the
  ///   socket is left unchanged. Why the reactor can't wait for the socket, which is closed then.
  public static func adopt(_ socket: Socket, on reactor: Reactor) async throws(MultiplexError) -> Connection {
    try socket.check(for: .connection, in: "Connection.adopt")
    try socket.setNonBlocking()
    return try await adopt(socket, origin: .adopted, on: reactor)
  }

  static func adopt(
    _ socket: Socket, origin: ObservedConnection.Origin, on reactor: Reactor
  ) async throws(MultiplexError) -> Connection {
    // Unix sockets don't have this option.
    try? socket.set(.noDelay, to: true)
    let peer = socket.peerAddress
    // A closure can't consume what it captures.
    let descriptor = try socket.take().release()
    return try await reactor.run { () async throws(MultiplexError) in
      try Connection(adopting: OwnedDescriptor(adopting: descriptor), peer: peer, origin: origin, on: reactor)
    }
  }

  deinit {
    unsafe reactor.onLoop(core) { $0.abort(because: .dropped) }
  }

  func failure(_ reason: ConnectionError.Reason, during operation: ConnectionError.Operation) -> ConnectionError {
    ConnectionError(reason, during: operation, peer: peerAddress)
  }

  /// Throws in a cancelled task, before anything is done: a loop of calls that never wait has to end on cancellation
  /// too.
  func checkCancellation(during operation: ConnectionError.Operation) throws(ConnectionError) {
    if CallingTask.isCurrentCancelled { throw failure(.cancelled, during: operation) }
  }

  /// Runs something that doesn't wait on the reactor's thread: immediately, if the calling thread is that one.
  func onCore<Result: Sendable>(_ body: @escaping @Sendable (ConnectionCore) -> Result) async -> Result {
    if reactor.isCurrent { return unsafe body(core) }
    return await reactor.run { unsafe body(self.core) }
  }
}

// MARK: - Serving

extension Connection {
  /// Runs the handler that serves this connection, in the calling task, which prefers the reactor.
  ///
  /// The task registers for its cancellation once. Otherwise each of its waits would have to, at a cost.
  package func serve(_ handler: (Connection) async throws -> Void) async throws {
    try await withTaskCancellationHandler {
      try await serveForListener(handler)
    } onCancel: {
      serviceWasCancelled()
    }
  }

  /// Serves as ``serve(_:)`` does, in a task that doesn't register for its cancellation: the listener that cancels it
  /// calls ``serviceWasCancelled()`` too.
  func serveForListener(_ handler: (Connection) async throws -> Void) async throws {
    unsafe core.beginService()
    defer { reactor.onLoop { [self] in unsafe core.endService() } }
    try await handler(self)
  }

  /// Ends the waits of the task that serves this connection, as it was cancelled, perhaps before it began. Call it from
  /// any thread.
  func serviceWasCancelled() {
    // Not immediately, even on this thread: the runtime may be in the middle of cancelling.
    reactor.loop.perform { [self] in unsafe core.serviceWasCancelled() }
  }
}

// MARK: - Closing

extension Connection {
  /// Sends what is queued, then closes. Tasks that wait get ``ConnectionError/Reason/closed``.
  ///
  /// If the calling task is cancelled, or the peer is gone, the connection is closed immediately: what there is no room
  /// for is lost then, and the peer gets a reset. On io_uring the descriptor is free after the reactor's next turn.
  ///
  /// Bytes that the peer has sent and nobody has read are lost. Over TCP the kernel may then send a reset, which may
  /// overtake the last bytes sent: where that matters, read to the end first.
  public func close() async {
    await close(ifCancelled: .aborted)
  }

  /// - Parameter reason: Reported if the calling task is cancelled meanwhile.
  func close(ifCancelled reason: CloseReason) async {
    guard !closeIfFlushed() else { return }
    await reactor.run {
      // Further writes must not delay the close.
      let failure = await self.endOutputHere()
      unsafe self.core.close(afterFlush: failure, ifCancelled: reason)
    }
  }

  /// Closes after the peer has: sends what is queued and the end of input, discards what the peer still sends, and
  /// closes once it has finished too, or when the time is up.
  ///
  /// For an answer to a request that isn't read to its end: with ``close()``, the unread rest would turn into a reset,
  /// which may overtake the answer.
  ///
  /// - Parameter limit: How long to wait for the peer, once everything is sent.
  public func close(lingering limit: Duration) async {
    do {
      try await closeWrite()
      try await withTimeout(limit, on: reactor) { try await self.forEachChunk { _, _ in } }
    } catch {
      // Whatever has happened, there is nothing to wait for.
    }
    await close()
  }

  /// Whether the connection can be used for another request: it isn't closed, and the peer has neither finished sending
  /// nor reset it, as far as the kernel knows.
  ///
  /// Looks only at this moment, and changes nothing: bytes that the peer has sent before it finished can still be read.
  /// For a pool of idle connections. The peer may close it the moment after; so a request that fails before anything
  /// was answered should be repeated on another connection.
  ///
  /// Corresponding C function: `poll`.
  public var isOpen: Bool {
    get async { await onCore { $0.isOpen } }
  }

  /// Closes as ``close()`` does, if that needs no wait.
  ///
  /// - Returns: Whether it is closed.
  func closeIfFlushed() -> Bool {
    unsafe reactor.isCurrent && core.closeIfFlushed()
  }

  /// Closes the connection when no byte has been received or sent for `limit`. Reads and writes then fail with
  /// ``ConnectionError/Reason/timedOut``, including those that wait; queued bytes are lost.
  ///
  /// A peer that is slow to take what the kernel holds for it isn't idle. As this is checked only when the time is up,
  /// it may take up to twice the limit to notice that such a peer has stopped. Call it from any thread.
  ///
  /// - Parameter limit: Measured from this call and from each byte; nil sets no limit, zero closes the connection
  ///   immediately unless the peer is still taking what was sent.
  public func setIdleTimeout(_ limit: Duration?) {
    reactor.onLoop { [self] in unsafe core.setIdleTimeout(limit, on: reactor.loop) }
  }

  /// Calls a closure when the connection has been closed, by either side and for any reason; soon, if it already is.
  ///
  ///     await listener.serveChunks { connection in
  ///       let number = clients.add(connection)
  ///       connection.onClose { _ in clients.remove(number) }
  ///       return ChunkHandler { chunk, replies in ... }
  ///     }
  ///
  /// That the peer is gone is found out by a read, a write, or an idle timeout: while none of them is under way, nobody
  /// looks. A task or chunk handler that waits for input is enough.
  ///
  /// The closure is called once, on the reactor's thread, when nothing is read or written any more; it must not block.
  /// It is never called within another call, such as the ``post(_:limit:)-([UInt8],_)`` that a peer has fallen behind
  /// with: it may take a lock that the caller holds. What it captures is kept until then: if that includes the
  /// connection, it isn't closed when the last other reference is released. Call this from any thread.
  public func onClose(_ body: @escaping @Sendable (CloseReason) -> Void) {
    reactor.onLoop { [self] in
      unsafe core.onClose { [loop = reactor.loop] reason in loop.perform { body(reason) } }
    }
  }

  /// Notes from now on whether something moves: see ``closeIfIdle()``.
  func beginIdleCheck() {
    reactor.onLoop { [self] in unsafe core.beginIdleCheck() }
  }

  /// Closes if nothing is owed to the peer, and nothing has moved since the check began, or the previous call. A
  /// connection that is new at this call has moved.
  func closeIfIdle() {
    reactor.onLoop { [self] in unsafe core.closeIfIdle() }
  }

  /// Aborts the connection immediately, from any thread. What is queued is lost, as is what the kernel has yet to
  /// deliver: over TCP the peer gets an error (ECONNRESET) instead of the end of input, so it can't mistake a part for
  /// the whole.
  public func abort() {
    abort(because: .aborted)
  }

  /// - Parameter reason: Reported to the observer.
  func abort(because reason: CloseReason) {
    reactor.onLoop { [self] in unsafe core.abort(because: reason) }
  }
}

// MARK: - As a value

extension Connection: Hashable, CustomStringConvertible {
  /// Two connections are equal if they are the same object.
  public static func == (left: Connection, right: Connection) -> Bool { left === right }

  /// Hashes the object's identity.
  public func hash(into hasher: inout Hasher) { hasher.combine(ObjectIdentifier(self)) }

  /// The peer's address: "<connection to 127.0.0.1:40312>".
  public var description: String {
    peerAddress.map { "<connection to \($0)>" } ?? "<connection>"
  }
}
