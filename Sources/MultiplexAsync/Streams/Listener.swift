public import Multiplex
internal import SystemPackage

/// Takes the connections that come to an address.
///
///     let listener = try await Listener.bind(to: "127.0.0.1:9999", on: reactor)
///     await listener.serve { connection in
///       while let chunk = try await connection.read() {
///         try await connection.write(chunk)
///       }
///     }
///
/// A listener is closed by ``close()`` or ``shutDown(within:closingIdleAfter:)``, or when the last reference is gone. The
/// file of its Unix socket is removed then.
@safe
public final class Listener: Sendable {
  /// The reactor that the listener, and all of its connections, belong to.
  public let reactor: Reactor
  /// Where it listens, with the port that the kernel chose where port 0 was asked for.
  public let localAddress: SocketAddress
  /// Reached on the reactor's thread alone.
  private nonisolated(unsafe) let queue: AcceptQueue

  private init(_ queue: AcceptQueue, at address: SocketAddress, on reactor: Reactor) {
    unsafe self.queue = queue
    self.localAddress = address
    self.reactor = reactor
  }

  deinit {
    nonisolated(unsafe) let queue = unsafe queue
    reactor.onLoop { unsafe queue.close() }
  }

  /// Listens at an address.
  ///
  /// - Parameters:
  ///   - reusePort: Several listeners, of several reactors, share the address and its connections (`SO_REUSEPORT`).
  /// - Throws: As ``Multiplex/Socket/listening(on:backlog:reusePort:)`` does.
  public static func bind(
    to address: SocketAddress, on reactor: Reactor, reusePort: Bool = false
  ) async throws(MultiplexError) -> Listener {
    try await bind(to: address, on: reactor, sharing: reusePort ? .joining : .none)
  }

  static func bind(
    to address: SocketAddress, on reactor: Reactor, sharing: PortSharing
  ) async throws(MultiplexError) -> Listener {
    let socket = try Socket.listening(on: address, reusePort: sharing == .joining)
    // From then on others may join: while it was bound, nobody else could be there.
    if sharing == .founding { try socket.set(.reusePort, to: 1) }
    return try await adopting(socket, on: reactor)
  }

  /// Makes a listener of a socket that listens already, which it takes over: one that the process was started with, or
  /// one with options of its own.
  ///
  ///     let socket = try Socket.listening(on: address, backlog: 16)
  ///     let listener = try await Listener.adopting(socket, on: reactor)
  ///
  /// The socket becomes non-blocking: those of systemd, for example, aren't.
  ///
  /// - Throws: What keeps the reactor from waiting for it; the socket is closed then.
  public static func adopting(_ socket: Socket, on reactor: Reactor) async throws(MultiplexError) -> Listener {
    try socket.setNonBlocking()
    // Its connections inherit it. Unix sockets have no such option, and do without.
    try? socket.set(.noDelay, to: 1)
    let local = try socket.localAddress()
    let descriptor = try socket.take().release()
    return try await reactor.run { () async throws(MultiplexError) in
      let acceptor = try reactor.loop.driver.makeAcceptor(OwnedDescriptor(adopting: descriptor))
      return Listener(AcceptQueue(acceptor, at: local, on: reactor.loop), at: local, on: reactor)
    }
  }

  /// Listens at a numeric address with a port: "127.0.0.1:9999", "[::1]:0".
  public static func bind(to text: String, on reactor: Reactor) async throws(MultiplexError) -> Listener {
    try await bind(to: SocketAddress(text), on: reactor)
  }

  /// Looks a host up, and listens at the first of its addresses that this machine has. An empty host, or "*", is every
  /// IPv4 address of this machine; ``ListenerGroup/bind(toAllOf:on:)`` listens at the IPv6 addresses too.
  ///
  /// - Throws: What the first of those addresses came to, which may be taken;
  ///   ``MultiplexError/Reason/unknownAddress``.
  public static func bind(
    to host: HostPort, on reactor: Reactor, reusePort: Bool = false
  ) async throws -> Listener {
    let addresses = try await host.resolve(for: .listening, on: reactor)
    for address in addresses.dropLast() {
      do throws(MultiplexError) {
        return try await bind(to: address, on: reactor, reusePort: reusePort)
      } catch {
        guard error.saysAddressIsMissing else { throw error }
      }
    }
    // A host has at least one address.
    return try await bind(to: addresses[addresses.count - 1], on: reactor, reusePort: reusePort)
  }

  /// Waits for the next connection.
  ///
  /// While the process or the system has no descriptor or memory to spare, the connections wait with it: it tries again
  /// ten times a second, or when one of its connections ends.
  ///
  /// - Returns: The connection; nil once the listener is closed.
  /// - Throws: `CancellationError`, at once when the task is cancelled. No connection is lost.
  public func accept() async throws -> Connection? {
    let result = await reactor.run { await self.acceptHere(for: self.reactor, within: nil) }
    return try result.get()
  }

  /// - Parameters:
  ///   - target: The reactor that the connection is to belong to.
  ///   - limit: Has a place for the connection once this has returned one.
  private func acceptHere(
    for target: Reactor, within limit: ConnectionLimit?
  ) async -> Result<Connection?, any Error> {
    while unsafe !queue.isClosed {
      guard limit?.take() ?? true else {
        guard await awaitVacancy(limit) else { return .failure(CancellationError()) }
        continue
      }
      let accepted = unsafe queue.acceptNow()
      if case .connection(let socket) = accepted, let connection = await adopt(socket, for: target) {
        return .success(connection)
      }
      // A place that is kept while nothing comes would be missed by the others.
      limit?.giveBack()
      if case .nothing = accepted {
        guard await awaitConnection(onlyOne: limit?.isClose ?? false) else { return .failure(CancellationError()) }
      }
    }
    return .success(nil)
  }

  /// - Returns: nil for a connection that can't be waited for, or that comes too late: it is lost, the listener isn't.
  private func adopt(_ socket: Socket, for target: Reactor) async -> Connection? {
    do {
      guard target !== reactor else { return try unsafe queue.adopt(socket, on: reactor) }
      let connection = try await Connection.adopting(socket, origin: .accepted(at: localAddress), on: target)
      guard unsafe queue.isClosed else { return connection }
      // Whoever has closed the listener meanwhile knows nothing of it, and waits for the others only.
      connection.abort(because: .shutDown)
      return nil
    } catch {
      unsafe queue.noteFailure(error)
      return nil
    }
  }

  /// - Returns: False when the task was cancelled.
  private func awaitConnection(onlyOne: Bool) async -> Bool {
    let id = unsafe queue.makeID()
    return await withTaskCancellationHandler {
      await Waiter.suspend { waiter in unsafe queue.await(id, onlyOne: onlyOne, waiter, isCancelled: Task.isCancelled) }
    } onCancel: {
      reactor.loop.add(.call { [self] in unsafe queue.cancelWait(id) })
    }
  }

  /// Serves each connection in a task of its own, which runs on the reactor, until the listener is closed.
  ///
  /// No task outlives this call. A connection is closed when its handler has returned, after what was written has been
  /// sent, or at once if it has thrown; what it throws concerns nobody else. Cancelling the calling task cancels the
  /// handlers.
  ///
  /// - Parameter maximumConnections: Further clients wait to be accepted.
  public func serve(
    maximumConnections: Int = .max, _ handler: @escaping @Sendable (Connection) async throws -> Void
  ) async {
    await serve(in: .tasks(handler), within: ConnectionLimit(upTo: maximumConnections))
  }

  /// Serves as ``serve(maximumConnections:_:)`` does, within a limit that other listeners may share.
  public func serve(
    within limit: ConnectionLimit, _ handler: @escaping @Sendable (Connection) async throws -> Void
  ) async {
    await serve(in: .tasks(handler), within: limit)
  }

  /// Serves each connection as ``Connection/forEachChunk(_:)`` would, and without a task: the loop alone deals with what
  /// comes, until the listener is closed.
  ///
  ///     await listener.serveChunks { connection in
  ///       { chunk, replies in replies.write(chunk) }
  ///     }
  ///
  /// It costs less than ``serve(maximumConnections:_:)``: less than half the memory for an idle connection, less than half
  /// the instructions for a small message. All that is said there holds here: of the end of connections, of cancellation, of
  /// limits. A handler isn't told when its connection ends; where that matters, a task calls
  /// ``Connection/forEachChunk(_:)``.
  ///
  /// - Parameters:
  ///   - maximumConnections: Further clients wait to be accepted.
  ///   - makeHandler: Makes a handler for each connection, which may keep what it needs in variables of its own. It is
  ///     called on the reactor's thread, before anything is read.
  public func serveChunks(
    maximumConnections: Int = .max, _ makeHandler: @escaping @Sendable (Connection) -> ChunkHandler
  ) async {
    await serve(in: .loop(makeHandler), within: ConnectionLimit(upTo: maximumConnections))
  }

  /// Serves as ``serveChunks(maximumConnections:_:)`` does, within a limit that other listeners may share.
  public func serveChunks(
    within limit: ConnectionLimit, _ makeHandler: @escaping @Sendable (Connection) -> ChunkHandler
  ) async {
    await serve(in: .loop(makeHandler), within: limit)
  }

  private func serve(in way: WayOfServing, within limit: ConnectionLimit?) async {
    await serve(in: way, within: limit, nextReactor: { [reactor] in reactor })
  }

  /// Serves connections, which are handed over to reactors in turn.
  func serve(
    in way: WayOfServing, within limit: ConnectionLimit?, nextReactor: @escaping @Sendable () -> Reactor
  ) async {
    await reactor.run {
      // Reached on the reactor's thread alone.
      nonisolated(unsafe) let server = AcceptQueue.Server()
      await withTaskCancellationHandler {
        await withDiscardingTaskGroup { group in
          while let connection = try? await self.acceptHere(for: nextReactor(), within: limit).get() {
            let slot = unsafe self.queue.begin(connection, for: server)
            switch way {
            case .tasks(let handler):
              group.addTask(executorPreference: connection.reactor) {
                await Self.handle(connection, handler)
                self.end(slot, within: limit)
              }
            case .loop(let makeHandler):
              connection.serveChunks(by: makeHandler) { self.end(slot, within: limit) }
            }
          }
          if unsafe await self.isTimeUp(for: server) { group.cancelAll() }
        }
        // The group has waited for its tasks. Connections without one have been told to end, and do so on their reactors.
        while unsafe server.hasConnections { unsafe await self.awaitLast(of: server) }
      } onCancel: {
        self.reactor.loop.add(.call { unsafe self.queue.cancel(server) })
      }
    }
  }

  /// A connection is served no more.
  private func end(_ slot: AcceptQueue.Served.Slot, within limit: ConnectionLimit?) {
    limit?.giveBack()
    // As `onLoop` does, but for the memory of a closure that isn't needed here.
    if reactor.isCurrent { return unsafe queue.end(slot) }
    reactor.loop.add(.call { [self] in unsafe queue.end(slot) })
  }

  /// - Returns: False when the task was cancelled.
  private func awaitVacancy(_ limit: ConnectionLimit?) async -> Bool {
    let id = unsafe queue.makeID()
    return await withTaskCancellationHandler {
      await Waiter.suspend { waiter in
        unsafe queue.awaitVacancy(id, waiter, isCancelled: Task.isCancelled)
        limit?.tell(self) { [weak self] in
          guard let self else { return }
          reactor.loop.add(.call { unsafe self.queue.endVacancyWait() })
        }
      }
    } onCancel: {
      reactor.loop.add(.call { [self] in unsafe queue.cancelWait(id) })
    }
  }

  /// Waits until none of the server's connections is left, a shutdown's time is up, or the server was cancelled.
  private func isTimeUp(for server: AcceptQueue.Server) async -> Bool {
    await Waiter.suspend { waiter in unsafe queue.awaitEnd(of: server, waiter) }
  }

  /// Waits until none of the server's connections is left, perhaps.
  private func awaitLast(of server: AcceptQueue.Server) async {
    _ = await Waiter.suspend { waiter in unsafe queue.awaitLast(of: server, waiter) }
  }

  /// Always inlined: the frame of a task's first function lies with the task, those of the others share a slab of memory
  /// that is then large enough for most handlers.
  @inline(__always)
  private static func handle(_ connection: Connection, _ handler: (Connection) async throws -> Void) async {
    do {
      try await connection.serveForListener(handler)
      if !connection.closeIfFlushed() { await close(connection) }
    } catch {
      connection.abort(because: Task.isCancelled ? .shutDown : .failed(error))
    }
  }

  /// Never inlined: what closing needs would be part of the frame that waits for the handler.
  @inline(never)
  private static func close(_ connection: Connection) async {
    await connection.close()
  }

  /// Accepts no more, from any thread. The connections go on.
  public func close() {
    reactor.onLoop { [self] in unsafe queue.close() }
  }

  /// Accepts no more, and waits until the connections of ``serve(maximumConnections:_:)`` have ended.
  ///
  /// - Parameters:
  ///   - limit: When it is up, those that are left are closed at once, and their handlers cancelled.
  ///   - rest: Connections that owe their peer nothing are closed earlier, once nothing has moved on them for so long:
  ///     clients that keep their connection without using it don't delay the end. Nothing is owed where everything
  ///     written is sent, and whoever serves it waits for input, none of which it has yet. nil closes none of them earlier.
  /// - Returns: How many were closed because the limit was up.
  @discardableResult
  public func shutDown(within limit: Duration, closingIdleAfter rest: Duration? = nil) async -> Int {
    await reactor.run {
      unsafe self.queue.close()
      if let rest { unsafe self.queue.closeResting(after: rest) }
      return await Waiter.suspend { waiter in unsafe self.queue.drain(within: limit, waiter) }
    }
  }
}
