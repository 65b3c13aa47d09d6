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
/// A listener is closed by ``close()`` or ``shutDown(within:)``, or when the last reference is gone. The file of its Unix
/// socket is removed then.
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
    let socket = try Socket.listening(on: address, reusePort: reusePort)
    let local = try socket.localAddress()
    let descriptor = try socket.take().release()
    let result = await reactor.run { () async -> Result<Listener, MultiplexError> in
      do throws(MultiplexError) {
        let acceptor = try reactor.loop.driver.makeAcceptor(OwnedDescriptor(adopting: descriptor))
        return .success(Listener(AcceptQueue(acceptor, at: local, on: reactor.loop), at: local, on: reactor))
      } catch {
        return .failure(error)
      }
    }
    return try result.get()
  }

  /// Listens at a numeric address with a port: "127.0.0.1:9999", "[::1]:0".
  public static func bind(to text: String, on reactor: Reactor) async throws(MultiplexError) -> Listener {
    try await bind(to: SocketAddress(text), on: reactor)
  }

  /// Waits for the next connection.
  ///
  /// While the process or the system has no descriptor or memory to spare, the connections wait with it: it tries again
  /// ten times a second, or when one of its connections ends.
  ///
  /// - Returns: The connection; nil once the listener is closed.
  /// - Throws: `CancellationError`, at once when the task is cancelled. No connection is lost.
  public func accept() async throws -> Connection? {
    let result = await reactor.run { await self.acceptHere() }
    return try result.get()
  }

  private func acceptHere() async -> Result<Connection?, any Error> {
    while true {
      switch unsafe queue.acceptNow() {
      case .closed: return .success(nil)
      case .connection(let socket):
        do {
          return .success(try unsafe queue.adopt(socket, on: reactor))
        } catch {
          // The connection is lost, the listener isn't.
          continue
        }
      case .nothing:
        guard await awaitConnection() else { return .failure(CancellationError()) }
      }
    }
  }

  /// - Returns: False when the task was cancelled.
  private func awaitConnection() async -> Bool {
    let id = unsafe queue.makeID()
    return await withTaskCancellationHandler {
      await Waiter.suspend { waiter in unsafe queue.await(id, waiter, isCancelled: Task.isCancelled) }
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
    await reactor.run {
      await withDiscardingTaskGroup { group in
        while let connection = try? await self.acceptWithin(maximumConnections) {
          unsafe self.queue.begin(connection)
          group.addTask(executorPreference: self.reactor) { await self.handle(connection, handler) }
        }
        if await self.isTimeUp() { group.cancelAll() }
      }
    }
  }

  private func acceptWithin(_ limit: Int) async throws -> Connection? {
    while unsafe queue.connections.count >= limit, unsafe !queue.isClosed {
      let isCancelled = await !awaitVacancy()
      if isCancelled { throw CancellationError() }
    }
    return try await acceptHere().get()
  }

  private func awaitVacancy() async -> Bool {
    let id = unsafe queue.makeID()
    return await withTaskCancellationHandler {
      await Waiter.suspend { waiter in unsafe queue.awaitVacancy(id, waiter, isCancelled: Task.isCancelled) }
    } onCancel: {
      reactor.loop.add(.call { [self] in unsafe queue.cancelWait(id) })
    }
  }

  /// Waits until no connection is left, or a shutdown's time is up.
  private func isTimeUp() async -> Bool {
    let id = unsafe queue.makeID()
    return await withTaskCancellationHandler {
      await Waiter.suspend { waiter in unsafe queue.awaitEnd(id, waiter, isCancelled: Task.isCancelled) }
    } onCancel: {
      reactor.loop.add(.call { [self] in unsafe queue.cancelAwaitEnd(id) })
    }
  }

  private func handle(_ connection: Connection, _ handler: @Sendable (Connection) async throws -> Void) async {
    do {
      try await handler(connection)
      await connection.close()
    } catch {
      connection.abort()
    }
    unsafe queue.end(connection)
  }

  /// Accepts no more, from any thread. The connections go on.
  public func close() {
    reactor.onLoop { [self] in unsafe queue.close() }
  }

  /// Accepts no more, and waits until the connections of ``serve(maximumConnections:_:)`` have ended.
  ///
  /// - Parameter limit: When it is up, those that are left are closed at once, and their handlers cancelled.
  /// - Returns: How many were closed so.
  @discardableResult
  public func shutDown(within limit: Duration) async -> Int {
    await reactor.run {
      unsafe self.queue.close()
      return await Waiter.suspend { waiter in unsafe self.queue.drain(within: limit, waiter) }
    }
  }
}
