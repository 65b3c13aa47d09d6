internal import Multiplex

extension Listener: ListenerProtocol {
  /// Serves each connection in a task of its own: see ``ListenerProtocol/serve(limitedTo:_:)``.
  public func serve(
    limitedTo limit: ConnectionLimit?, _ handler: @escaping @Sendable (Connection) async throws -> Void
  ) async {
    await serve(in: .tasks(handler), limitedTo: limit)
  }

  /// - Parameter group: Whose reactors take the connections over in turn; nil where all of them stay here.
  func serve(in way: ServingMode, limitedTo limit: ConnectionLimit?, over group: ReactorGroup? = nil) async {
    await reactor.run {
      // Reached on the reactor's thread alone.
      nonisolated(unsafe) let server = unsafe self.core.makeServer(limitedTo: limit, over: group)
      await withTaskCancellationHandler {
        switch way {
        case .tasks(let handler): unsafe await self.serveInTasks(for: server, handler)
        case .loop(let makeHandler): unsafe await self.serveOnLoop(for: server, makeHandler)
        }
        // Connections without a task have been told to end, and do so on their reactors.
        while unsafe server.hasConnections { unsafe await self.awaitLast(of: server) }
      } onCancel: {
        self.reactor.loop.perform { unsafe self.core.cancel(server) }
      }
    }
  }

  /// Waits until none of the server's connections is left, perhaps.
  private func awaitLast(of server: ServedConnections.Server) async {
    _ = await Waiter.suspend { waiter in unsafe core.served.awaitLast(of: server, waiter) }
  }

  /// A connection is served no more.
  func end(_ slot: ServedConnections.Slot) {
    // As `onLoop` does, but for the memory of a closure that isn't needed here.
    if reactor.isCurrent { return unsafe core.end(slot) }
    reactor.loop.perform { [self] in unsafe core.end(slot) }
  }
}

// MARK: - Accepting for a server

extension Listener {
  /// Resumes with true when accepting should be tried again, after an attempt that found nothing; with false when the
  /// server was cancelled.
  func awaitAttempt(
    after attempt: ListenerCore.Attempt, for server: ServedConnections.Server, _ waiter: AnyWaiter<Bool>
  ) {
    guard case .full = attempt, let limit = server.limit else {
      return unsafe core.awaitConnection(
        server.id, onlyOne: server.limit?.isNearlyReached ?? false, waiter, isCancelled: server.isCancelled)
    }
    unsafe core.awaitVacancy(server.id, waiter, isCancelled: server.isCancelled)
    limit.tell(self) { [weak self] in
      guard let self else { return }
      reactor.loop.perform { unsafe self.core.endVacancyWait() }
    }
  }

  /// Makes a connection of another reactor of an accepted socket.
  ///
  /// - Parameter body: Gets it, on this reactor; nil if it can't be waited for, or comes too late: it is lost, the listener
  ///   isn't.
  func handOver(
    _ accepted: AcceptedSocket, to target: Reactor, for server: ServedConnections.Server,
    _ body: @escaping @Sendable (ServedConnections.Served?) -> Void
  ) {
    // Reached on this reactor's thread alone.
    nonisolated(unsafe) let server = server
    let address = localAddress
    target.loop.perform {
      let result = Result { () throws(MultiplexError) in try accepted.connection(at: address, on: target) }
      self.reactor.loop.perform { body(unsafe self.core.receive(result, for: server)) }
    }
  }
}

// MARK: - In tasks

extension Listener {
  private func serveInTasks(
    for server: ServedConnections.Server, _ handler: @escaping @Sendable (Connection) async throws -> Void
  ) async {
    await withDiscardingTaskGroup { tasks in
      while let (connection, slot) = await accept(for: server) {
        tasks.addTask(executorPreference: connection.reactor) {
          await Self.handle(connection, handler)
          self.end(slot)
        }
      }
      if await isTimeUp(for: server) { tasks.cancelAll() }
    }
  }

  /// - Returns: nil once the listener is closed or the server cancelled.
  private func accept(for server: ServedConnections.Server) async -> ServedConnections.Served? {
    while true {
      let attempt = unsafe core.acceptNow(limitedTo: server.limit)
      switch attempt {
      case .closed: return nil
      case .nothing, .full:
        let isWorthIt = await Waiter.suspend { waiter in awaitAttempt(after: attempt, for: server, .task(waiter)) }
        guard isWorthIt else { return nil }
      case .accepted(let accepted):
        if let served = await adopt(accepted, for: server) { return served }
      }
    }
  }

  private func adopt(
    _ accepted: AcceptedSocket, for server: ServedConnections.Server
  ) async -> ServedConnections.Served? {
    guard let target = server.nextReactor else { return unsafe core.adopt(accepted, on: reactor, for: server) }
    return await Waiter.suspend { waiter in
      handOver(accepted, to: target, for: server) { waiter.resume(returning: $0) }
    }
  }

  /// Waits until none of the server's connections is left, a shutdown's time is up, or the server was cancelled.
  private func isTimeUp(for server: ServedConnections.Server) async -> Bool {
    await Waiter.suspend { waiter in unsafe core.served.awaitEnd(of: server, waiter) }
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
}
