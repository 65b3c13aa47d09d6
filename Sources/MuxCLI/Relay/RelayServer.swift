import Multiplex
import MultiplexAsync
import Synchronization
import SystemPackage

/// Forwards the connections that come to some addresses to another.
final class RelayServer: Sendable {
  /// Tried in turn, until one answers.
  private let targets: [SocketAddress]
  private let connectTimeout: Duration
  private let idleTimeout: Duration?
  private let listeners: ListenerSet
  private let pairs = OpenPairs()
  /// Closes pairs at rest, from ``stop()`` on.
  private let closing = Mutex<(reactor: Reactor?, task: Task<Void, Never>?)>((nil, nil))
  private let wantOfFiles = OccasionalComplaint()
  private let otherFailures = OccasionalComplaint()

  /// - Parameter drainTimeout: How long a relay that was told to stop goes on with the connections it has.
  init(targets: [SocketAddress], connectTimeout: Duration, idleTimeout: Duration?, drainTimeout: Duration) {
    self.targets = targets
    listeners = ListenerSet(drainLimit: drainTimeout)
    self.connectTimeout = connectTimeout
    self.idleTimeout = idleTimeout
  }

  /// Relays until ``stop()``.
  ///
  /// - Parameters:
  ///   - endpoint: Where to listen; of a host, at all of its addresses that this machine has.
  ///   - maximumConnections: Further clients wait; nil lets in as many as there may be open files for.
  /// - Returns: How many clients' connections were closed though they were not finished.
  func run(at endpoint: Endpoint, backend: Poller.Backend, maximumConnections: Int?) async throws -> Int {
    let group = try ReactorGroup(count: 1, backend: backend, observer: AcceptComplaints())
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
    for complaint in [wantOfFiles, otherFailures] {
      complaint.conclude {
        "\(Quantity.counted($0, "other client")) closed without reaching a target since the last message"
      }
    }
    return unfinished
  }

  /// Accepts no more, and goes on with the connections it has for a while.
  func stop() {
    listeners.stop()
    closing.withLock { closing in
      guard let reactor = closing.reactor, closing.task == nil else { return }
      closing.task = Task { [pairs] in await pairs.closeResting(after: ListenerSet.restBeforeClose, on: reactor) }
    }
  }

  /// - Throws: That a target is the relay itself: its first client would take all descriptors.
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
      complain(of: error, client)
      client.abort()
    }
  }

  /// A target that is down has every client fail: once in a while it is said of one of them.
  private func complain(of error: ConnectionError, _ client: Connection) {
    let complaint = error.reason == .system(.tooManyOpenFiles) ? wantOfFiles : otherFailures
    complaint.make { omitted in
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
