internal import Multiplex

extension Listener: ListenerProtocol {
  /// Serves each connection in its own task: see ``ListenerProtocol/serve(limitedTo:_:)``.
  public func serve(
    limitedTo limit: ConnectionLimit?, _ handler: @escaping @Sendable (Connection) async throws -> Void
  ) async {
    await serve(in: .tasks(handler), limitedTo: limit)
  }

  /// - Parameters:
  ///   - mode: What handles each connection.
  ///   - limit: nil for none.
  ///   - reactors: Take the connections over in turn; nil if all of them stay here.
  func serve(in mode: ServingMode, limitedTo limit: ConnectionLimit?, over reactors: ReactorGroup? = nil) async {
    await reactor.run {
      // Used only on the reactor's thread.
      nonisolated(unsafe) let server = unsafe self.core.makeServer(limitedTo: limit, over: reactors)
      await withTaskCancellationHandler {
        switch mode {
        case .tasks(let handler): unsafe await self.serveInTasks(for: server, handler)
        case .loop(let makeHandler): unsafe await self.serveOnLoop(for: server, makeHandler)
        }
        // Connections without a task were told to end, and do so on their reactors.
        unsafe self.core.remove(server)
        while unsafe server.hasConnections { _ = await Waiter.suspend { waiter in unsafe server.awaitLast(waiter) } }
      } onCancel: {
        self.reactor.loop.perform { unsafe self.core.cancel(server) }
      }
    }
  }

  /// Ends the service of a connection.
  func end(_ slot: ServedConnections.Slot) {
    reactor.onLoop((self, slot)) { listener, slot in unsafe listener.core.end(slot) }
  }
}

// MARK: - Accepting for a server

extension Listener {
  /// Resumes with true when accepting should be tried again after an attempt that found nothing; with false when the
  /// server was cancelled.
  func awaitAttempt(
    after attempt: ListenerCore.Attempt, for server: ConnectionServer, _ waiter: AnyWaiter<Bool>
  ) {
    guard case .full = attempt, let limit = server.limit else {
      return unsafe core.awaitConnection(
        server.id, onlyOne: server.limit?.isNearlyReached ?? false, waiter, isCancelled: server.isCancelled)
    }
    unsafe core.awaitAvailability(server.id, waiter, isCancelled: server.isCancelled)
    limit.notify(self) { [weak self] in
      guard let self else { return }
      reactor.loop.perform { unsafe self.core.endAvailabilityWait() }
    }
  }

  /// Makes an accepted socket a connection of another reactor. The server waits for it from now on.
  ///
  /// - Parameter body: Called on this reactor with the connection; with nil if it can't be waited for, or is too late:
  ///   then it is lost, but the listener isn't.
  func handOver(
    _ accepted: AcceptedSocket, to target: Reactor, in group: HandlerGroup,
    _ body: @escaping @Sendable (ServedConnections.Served?) -> Void
  ) {
    // Used only on this reactor's thread.
    nonisolated(unsafe) let group = group
    let address = localAddress
    unsafe group.begin()
    target.loop.perform {
      let result = Result { () throws(MultiplexError) in try accepted.connection(at: address, on: target) }
      self.reactor.loop.perform { body(unsafe self.core.receive(result, in: group)) }
    }
  }
}

// MARK: - In tasks

extension Listener {
  /// Serves in task groups, one of which accepts at a time. Another group begins when all are full.
  private func serveInTasks(
    for server: ConnectionServer, _ handler: @escaping @Sendable (Connection) async throws -> Void
  ) async {
    await withDiscardingTaskGroup { groups in
      repeat {
        // Used only on the reactor's thread.
        nonisolated(unsafe) let group = HandlerGroup(of: server)
        groups.addTask { unsafe await self.serve(in: group, handler) }
      } while await server.needsAnotherGroup()
      if await Waiter.suspend({ waiter in server.awaitEnd(waiter) }) { groups.cancelAll() }
    }
  }

  /// Takes turns with the other groups to accept, as long as there is room in this one.
  private func serve(
    in group: HandlerGroup, _ handler: @escaping @Sendable (Connection) async throws -> Void
  ) async {
    await withDiscardingTaskGroup { handlers in
      repeat {
        while group.hasRoom {
          guard let (connection, slot) = await accept(in: group) else { return group.server.endTurns() }
          handlers.addTask(executorPreference: connection.reactor) {
            await Self.handle(connection, handler)
            self.end(slot)
          }
        }
      } while await group.server.passTurn(from: group)
    }
  }

  /// - Returns: nil once the listener is closed or the server cancelled.
  private func accept(in group: HandlerGroup) async -> ServedConnections.Served? {
    let server = group.server
    while !server.isCancelled {
      let attempt = unsafe core.acceptNow(for: server)
      switch attempt {
      case .closed: return nil
      case .nothing, .full:
        let isWorthIt = await Waiter.suspend { waiter in awaitAttempt(after: attempt, for: server, .task(waiter)) }
        guard isWorthIt else { return nil }
      case .accepted(let accepted):
        let served = await adopt(accepted, in: group)
        if unsafe core.share.spend() { await reactor.nextTurn() }
        if let served { return served }
      }
    }
    return nil
  }

  private func adopt(_ accepted: AcceptedSocket, in group: HandlerGroup) async -> ServedConnections.Served? {
    guard let target = group.server.nextReactor else { return unsafe core.adopt(accepted, on: reactor, in: group) }
    return await Waiter.suspend { waiter in
      handOver(accepted, to: target, in: group) { waiter.resume(returning: $0) }
    }
  }

  /// Always inlined: the frame of a task's first function is stored with the task, those of the others share a slab of
  /// memory that is then large enough for most handlers.
  @inline(__always)
  private static func handle(_ connection: Connection, _ handler: (Connection) async throws -> Void) async {
    do {
      try await connection.serveForListener(handler)
      if !connection.closeIfFlushed() { await close(connection) }
    } catch {
      connection.abort(because: Task.isCancelled ? .shutDown : .failed(error))
    }
  }

  /// Never inlined: its variables would be part of the frame that waits for the handler.
  @inline(never)
  private static func close(_ connection: Connection) async {
    await connection.close(ifCancelled: .shutDown)
  }
}
