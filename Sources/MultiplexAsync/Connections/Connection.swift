public import Multiplex
internal import Synchronization
internal import SystemPackage

/// A stream of bytes to and from a peer, over TCP or a Unix socket.
///
///     while let chunk = try await connection.read() {
///       try await connection.write(chunk)
///     }
///
/// One task, or a handler of chunks, reads at a time; any number may write, and each write is sent whole. Reading and
/// writing go on independently of each other. A connection belongs to a reactor and is cheapest for its tasks, but any task
/// may use it.
///
/// - An idle connection holds no buffer.
/// - What can't be sent at once is queued. Once the queue holds more than the high watermark, writes wait until it has
///   fallen to the low one: memory stays bounded by the high watermark and one write of each task that writes. A write
///   that was cancelled while it waited is queued all the same; heed the error. A post never waits, and has a limit of its
///   own.
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
  nonisolated(unsafe) let core: ConnectionCore
  /// How many bytes were posted on other threads and have yet to reach the core; more than any limit once there were too many.
  /// One number for both, as each connection has it.
  let postedElsewhere = Atomic<Int>(0)

  /// On the reactor's thread.
  ///
  /// - Throws: What keeps the reactor from waiting for the descriptor, which is closed then.
  init(
    adopting descriptor: consuming OwnedDescriptor, peer: SocketAddress?, origin: ObservedConnection.Origin,
    on reactor: Reactor
  ) throws(MultiplexError) {
    let driver = reactor.loop.driver
    let channel = try driver.makeChannel(descriptor, isUnix: peer?.isUnix ?? false)
    let observation = ConnectionObservation.begin(
      for: reactor.loop.subscription, descriptor: channel.rawDescriptor, peer: peer, origin: origin)
    self.reactor = reactor
    self.peerAddress = peer
    unsafe core = ConnectionCore(channel, driver: driver, observation: observation)
  }

  /// Makes a connection of a connected socket, which it takes over, and makes non-blocking.
  ///
  /// - Throws: `MultiplexError.Reason.invalidArgument` for a socket that listens, or is no stream, and `ENOTSOCK`: it is
  ///   left as it was. What keeps the reactor from waiting for it; the socket is closed then.
  public static func adopt(_ socket: Socket, on reactor: Reactor) async throws(MultiplexError) -> Connection {
    try socket.check(for: .connection, in: "Connection.adopt")
    try socket.setNonBlocking()
    return try await adopt(socket, origin: .adopted, on: reactor)
  }

  static func adopt(
    _ socket: Socket, origin: ObservedConnection.Origin, on reactor: Reactor
  ) async throws(MultiplexError) -> Connection {
    let peer = socket.peerAddress ?? Socket.peerAddress(of: socket.fileDescriptor)
    // A closure can't consume what it captures.
    let descriptor = try socket.take().release()
    return try await reactor.run { () async throws(MultiplexError) in
      try Connection(adopting: OwnedDescriptor(adopting: descriptor), peer: peer, origin: origin, on: reactor)
    }
  }

  deinit {
    // As `onLoop` does, but for the memory of a closure that most connections don't need.
    if reactor.isCurrent {
      unsafe core.abort(because: .dropped)
    } else {
      nonisolated(unsafe) let core = unsafe core
      reactor.onLoop { unsafe core.abort(because: .dropped) }
    }
  }

  func failure(_ reason: ConnectionError.Reason, during operation: ConnectionError.Operation) -> ConnectionError {
    ConnectionError(reason, during: operation, peer: peerAddress)
  }

  /// Refuses what a cancelled task asks for, before anything is done about it: a loop whose calls never have to wait is to
  /// end as well.
  func checkCancellation(during operation: ConnectionError.Operation) throws(ConnectionError) {
    if CallingTask.isCurrentCancelled { throw failure(.cancelled, during: operation) }
  }

  /// Does something on the reactor's thread that waits for nothing: at once, if that is the calling one.
  func onCore<Result: Sendable>(_ body: @escaping @Sendable (ConnectionCore) -> Result) async -> Result {
    if reactor.isCurrent { return unsafe body(core) }
    return await reactor.run { unsafe body(self.core) }
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
    unsafe core.beginService()
    defer { reactor.onLoop { [self] in unsafe core.endService() } }
    try await handler(self)
  }

  /// The task that serves this connection was cancelled, though it may not have begun: its waits end. From any thread.
  func serviceWasCancelled() {
    // Not at once, even here: the runtime may be in the middle of cancelling.
    reactor.loop.perform { [self] in unsafe core.serviceWasCancelled() }
  }
}

// MARK: - Closing

extension Connection {
  /// Sends what is queued, then closes. A task that waits is woken with ``ConnectionError/Reason/closed``.
  ///
  /// If the calling task is cancelled meanwhile, or the peer has gone, the connection is closed at once.
  ///
  /// What the peer has sent and nobody has read is lost. Over TCP the kernel may tell the peer so by a reset, and that may
  /// overtake what was sent last: read to the end first where that matters.
  public func close() async {
    guard !closeIfFlushed() else { return }
    await reactor.run {
      // No write that comes now is to keep it from its end.
      let reason = await self.endOutputHere()
      unsafe self.core.abort(because: reason == nil ? .finished : .aborted)
    }
  }

  /// Closes as ``close()`` does, if that takes no wait.
  ///
  /// - Returns: Whether it is closed.
  func closeIfFlushed() -> Bool {
    unsafe reactor.isCurrent && core.closeIfFlushed()
  }

  /// Closes the connection when no byte has come or gone for so long. Reads and writes fail with
  /// ``ConnectionError/Reason/timedOut`` then, also those that wait; what is queued is lost.
  ///
  /// A peer that is slow to take what the kernel holds for it isn't idle; as that is asked for only when the time is up,
  /// it may take up to twice the limit to notice that such a peer has stopped. From any thread.
  ///
  /// - Parameter limit: Counted from this call, and from each byte on; nil sets no limit, zero closes it at once.
  public func setIdleTimeout(_ limit: Duration?) {
    reactor.onLoop { [self] in unsafe core.setIdleTimeout(limit, on: reactor.loop) }
  }

  /// Has something done when the connection is closed, by whichever side and for whatever reason: at once, if it is by now.
  ///
  ///     await listener.serveChunks { connection in
  ///       let number = clients.add(connection)
  ///       connection.onClose { _ in clients.remove(number) }
  ///       return { chunk, replies in ... }
  ///     }
  ///
  /// It is done on the reactor's thread, once, when nothing is read or written any more; it must not block. What it refers to
  /// is kept until then: if that is the connection, it isn't closed when the last other reference is gone. From any thread.
  public func onClose(_ body: @escaping @Sendable (CloseReason) -> Void) {
    reactor.onLoop { [self] in unsafe core.onClose(body) }
  }

  /// Closes if nothing waits to be sent, and nothing has moved since the last call. The first one closes nothing.
  func closeIfAtRest() {
    reactor.onLoop { [self] in unsafe core.closeIfAtRest() }
  }

  /// Breaks the connection off at once, from any thread. What is queued is lost, and what the kernel has yet to deliver:
  /// a peer over TCP gets an error (ECONNRESET) in place of the end, and takes no part for the whole.
  public func abort() {
    abort(because: .aborted)
  }

  /// - Parameter reason: For the observer.
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
