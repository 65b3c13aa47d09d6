import Multiplex
import MultiplexAsync
import Synchronization
import SystemPackage

/// Forwards connections from its listening addresses to a target.
final class RelayServer: Sendable {
  struct Settings: Sendable {
    /// The addresses of the target, at least one. They are tried in turn until one accepts the connection, so that a
    /// pair never takes more than two descriptors.
    let targets: [SocketAddress]
    /// Nil for the automatic one.
    let backend: Poller.Backend?
    /// The number of threads; zero means one for each processor that the process may use.
    let threads: Int
    /// The maximum number of clients; others wait. Nil for as many as the limit of open files allows.
    let maximumConnections: Int?
    /// The time limit for connecting to each of the targets.
    let connectTimeout: Duration
    /// How long a pair may be idle before it is reset; nil for no limit.
    let idleTimeout: Duration?
    /// How long the relay drains its connections after ``RelayServer/stop()``.
    let drainTimeout: Duration
  }

  /// How much later than the relay itself its listeners give up connections: they would close them without a reset, and
  /// a client might take half of a reply for the whole.
  private static let drainMargin = Duration.seconds(5)

  private let settings: Settings
  private let listeners: ListenerSet
  private let connecting = ConnectingClients()
  private let pairs = OpenPairs()
  /// Drains the connections after ``stop()``; its value is the number of clients without a target that were given up.
  private let draining = Mutex<(reactor: Reactor?, task: Task<Int, Never>?)>((nil, nil))
  private let openFileWarning = RateLimitedWarning()
  private let connectWarning = RateLimitedWarning()

  init(_ settings: Settings) {
    self.settings = settings
    listeners = ListenerSet(drainLimit: settings.drainTimeout + Self.drainMargin)
  }

  /// Relays until ``stop()``.
  ///
  /// - Parameter endpoints: Where to listen; for a host, on all of its addresses that this machine has.
  /// - Returns: The number of clients whose connections were closed unfinished.
  func run(at endpoints: [Endpoint]) async throws -> Int {
    let warnings = ReactorWarnings()
    let group = try ReactorGroup.serving(count: settings.threads, backend: settings.backend) { _ in warnings }
    draining.withLock { $0.reactor = group.reactors[0] }
    let capacity = try await listeners.open(
      endpoints, on: group, remark: ", relaying to \(settings.targets[0].argument)"
    ) { [settings] places in
      try refuseItself(places)
      return try PairCapacity(atMost: settings.maximumConnections, threads: group.reactors.count)
    }
    let limit = ConnectionLimit(capacity.count)
    let dropped = await listeners.serve { listener in
      await listener.serve(limitedTo: limit) { client in
        capacity.enter()
        await self.relay(client)
        capacity.leave()
      }
    }
    let drain = draining.withLock { $0.task }
    drain?.cancel()
    let givenUp = await drain?.value ?? 0
    for warning in [openFileWarning, connectWarning] {
      warning.conclude {
        "\(Quantity.counted($0, "other client")) closed without reaching a target since the last message"
      }
    }
    return dropped + pairs.abortedCount + givenUp
  }

  /// Stops accepting, and drains the connections.
  func stop() {
    listeners.stop()
    draining.withLock { draining in
      guard let reactor = draining.reactor, draining.task == nil else { return }
      draining.task = Task { await self.drain(on: reactor) }
    }
  }

  private func drain(on reactor: Reactor) async -> Int {
    await pairs.drain(within: settings.drainTimeout, on: reactor)
    return connecting.giveUp()
  }

  /// Refuses a target that is the relay itself: its first client would use up all descriptors.
  ///
  /// - Throws: A usage failure.
  private func refuseItself(_ places: [SocketAddress]) throws(Failure) {
    for target in settings.targets {
      guard let place = places.first(where: target.leads) else { continue }
      throw Failure(
        """
        --to \(target.argument) leads back to this relay (listening on \(place.argument)); give another server's address
        """, .usage)
    }
  }

  private func relay(_ client: Connection) async {
    do throws(ConnectionError) {
      let reactor = client.reactor
      let target = try await connecting.connect(for: client) { () async throws(ConnectionError) in
        try await self.connect(on: reactor)
      }
      guard let target else { return client.abort() }
      let pair = RelayedPair(client, target, idleTimeout: settings.idleTimeout)
      pairs.insert(pair)
      await pair.run()
      pairs.remove(pair)
    } catch {
      warn(of: error, client)
      client.abort()
    }
  }

  /// Warns that a client couldn't be connected to the target. If the target is down, that happens to every client, so
  /// only some of them are reported.
  private func warn(of error: ConnectionError, _ client: Connection) {
    let warning = error.reason == .system(.tooManyOpenFiles) ? openFileWarning : connectWarning
    warning.warn { omitted in
      let others = omitted > 0 ? "; \(Quantity.counted(omitted, "other")) closed the same way" : ""
      return "\(Failure(error)); closing the connection of \(client.peerAddress.clientName)\(others)"
    }
  }

  private func connect(on reactor: Reactor) async throws(ConnectionError) -> Connection {
    let (targets, limit) = (settings.targets, settings.connectTimeout)
    for target in targets.dropLast() {
      if let connection = try? await Connection.connect(to: target, on: reactor, timeout: limit) { return connection }
    }
    // There is at least one.
    return try await Connection.connect(to: targets[targets.count - 1], on: reactor, timeout: limit)
  }
}
