import Multiplex
import MultiplexAsync
import Synchronization
import SystemPackage

/// Forwards connections from its listening addresses to a target.
final class RelayServer: Sendable {
  /// The addresses of the target, tried in turn until one accepts the connection, so that a pair never takes more than
  /// two descriptors.
  private let targets: [SocketAddress]
  private let connectTimeout: Duration
  private let idleTimeout: Duration?
  private let listeners: ListenerSet
  private let pairs = OpenPairs()
  /// Closes idle pairs after ``stop()``.
  private let closing = Mutex<(reactor: Reactor?, task: Task<Void, Never>?)>((nil, nil))
  private let openFileWarning = RateLimitedWarning()
  private let connectWarning = RateLimitedWarning()

  /// Makes a relay.
  ///
  /// - Parameters:
  ///   - targets: The addresses of the target, at least one.
  ///   - connectTimeout: The time limit for connecting to each of them.
  ///   - idleTimeout: How long a pair may be idle before it is closed; nil for no limit.
  ///   - drainTimeout: How long the relay drains its connections after ``stop()``.
  init(targets: [SocketAddress], connectTimeout: Duration, idleTimeout: Duration?, drainTimeout: Duration) {
    self.targets = targets
    listeners = ListenerSet(drainLimit: drainTimeout)
    self.connectTimeout = connectTimeout
    self.idleTimeout = idleTimeout
  }

  /// Relays until ``stop()``.
  ///
  /// - Parameters:
  ///   - endpoint: Where to listen; for a host, on all of its addresses that this machine has.
  ///   - backend: The backend to wait with.
  ///   - maximumConnections: The maximum number of clients; others wait. Nil for as many as the limit of open files
  ///     allows.
  /// - Returns: The number of clients whose connections were closed unfinished.
  func run(at endpoint: Endpoint, backend: Poller.Backend, maximumConnections: Int?) async throws -> Int {
    let group = try ReactorGroup(count: 1, backend: backend, observer: ReactorWarnings())
    closing.withLock { $0.reactor = group.reactors[0] }
    let capacity = try PairCapacity(atMost: maximumConnections)
    try await listeners.open(
      [endpoint], on: group, remark: "(\(backend)), relaying to \(targets[0].argument)", check: refuseItself)
    let limit = ConnectionLimit(capacity.count)
    let unfinished = await listeners.serve { listener in
      await listener.serve(limitedTo: limit) { client in
        capacity.enter()
        await self.relay(client)
        capacity.leave()
      }
    }
    closing.withLock { $0.task }?.cancel()
    for warning in [openFileWarning, connectWarning] {
      warning.conclude {
        "\(Quantity.counted($0, "other client")) closed without reaching a target since the last message"
      }
    }
    return unfinished
  }

  /// Stops accepting, and drains the connections.
  func stop() {
    listeners.stop()
    closing.withLock { closing in
      guard let reactor = closing.reactor, closing.task == nil else { return }
      closing.task = Task { [pairs] in await pairs.closeIdle(after: ListenerSet.idleTimeBeforeClose, on: reactor) }
    }
  }

  /// Refuses a target that is the relay itself: its first client would use up all descriptors.
  ///
  /// - Throws: A usage failure.
  private func refuseItself(_ places: [SocketAddress]) throws(Failure) {
    for target in targets {
      guard let place = places.first(where: target.leads) else { continue }
      throw Failure(
        """
        --to \(target.argument) leads back to this relay (listening on \(place.argument)); give another server's address
        """, .usage)
    }
  }

  private func relay(_ client: Connection) async {
    do {
      let target = try await connect(on: client.reactor)
      let pair = RelayedPair(client, target, idleTimeout: idleTimeout)
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
    for target in targets.dropLast() {
      if let connection = try? await Connection.connect(to: target, on: reactor, timeout: connectTimeout) {
        return connection
      }
    }
    // There is at least one.
    return try await Connection.connect(to: targets[targets.count - 1], on: reactor, timeout: connectTimeout)
  }
}
