internal import Multiplex

extension Listener {
  /// Serves each connection without a task: see ``ListenerProtocol/serveChunks(limitedTo:_:)``.
  public func serveChunks(
    limitedTo limit: ConnectionLimit?, _ makeHandler: @escaping @Sendable (Connection) -> ChunkHandler
  ) async {
    await serve(in: .loop(makeHandler), limitedTo: limit)
  }

  /// Lets the loop accept connections, and a pump serve each, until the listener is closed or the server cancelled.
  func serveOnLoop(
    for server: ConnectionServer, _ makeHandler: @escaping @Sendable (Connection) -> ChunkHandler
  ) async {
    await Waiter.suspend { waiter in acceptAll(in: HandlerGroup(of: server), makeHandler, whenOver: waiter) }
  }

  private func acceptAll(
    in group: HandlerGroup, _ makeHandler: @escaping @Sendable (Connection) -> ChunkHandler,
    whenOver waiter: Waiter<Void>
  ) {
    // Used only on the reactor's thread.
    nonisolated(unsafe) let group = group
    let server = unsafe group.server
    while !server.isCancelled {
      let attempt = unsafe core.acceptNow(for: server)
      switch attempt {
      case .closed: return waiter.resume(returning: ())
      case .nothing, .full:
        return awaitAttempt(
          after: attempt, for: server,
          .call { [self] isWorthIt in
            guard isWorthIt else { return waiter.resume(returning: ()) }
            unsafe acceptAll(in: group, makeHandler, whenOver: waiter)
          })
      case .accepted(let accepted):
        if let target = server.nextReactor {
          unsafe handOver(accepted, to: target, in: group) { [self] served in serve(served, makeHandler) }
        } else {
          unsafe serve(core.adopt(accepted, on: reactor, in: group), makeHandler)
        }
        guard unsafe core.share.spend() else { continue }
        return reactor.loop.performAfterNextWait { [self] in
          unsafe acceptAll(in: group, makeHandler, whenOver: waiter)
        }
      }
    }
    waiter.resume(returning: ())
  }

  /// - Parameter served: nil for one that was lost.
  private func serve(
    _ served: ServedConnections.Served?, _ makeHandler: @escaping @Sendable (Connection) -> ChunkHandler
  ) {
    guard let (connection, slot) = served else { return }
    // As `onLoop` does, but without allocating a closure.
    if connection.reactor.isCurrent { return startPump(on: connection, slot, makeHandler) }
    connection.reactor.loop.perform { [self] in startPump(on: connection, slot, makeHandler) }
  }

  private func startPump(
    on connection: Connection, _ slot: ServedConnections.Slot, _ makeHandler: (Connection) -> ChunkHandler
  ) {
    ServingPump(on: connection, by: makeHandler(connection), for: self, slot: slot).start(isCancelled: false)
  }
}
