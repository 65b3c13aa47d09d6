import Multiplex
import MultiplexAsync
import Synchronization

/// Forwards the connections that come to an address to another.
final class RelayServer: Sendable {
  /// How long a relay that was told to stop goes on with the connections it has.
  private static let drainLimit = Duration.seconds(5)

  /// Tried in turn, until one answers.
  private let targets: [SocketAddress]
  private let connectTimeout: Duration
  private let idleTimeout: Duration?
  private let state = Mutex(State())

  private struct State {
    var listener: Listener?
    var isStopped = false
  }

  init(targets: [SocketAddress], connectTimeout: Duration, idleTimeout: Duration?) {
    self.targets = targets
    self.connectTimeout = connectTimeout
    self.idleTimeout = idleTimeout
  }

  /// Relays until ``stop()``.
  func run(at address: SocketAddress, backend: Poller.Backend, maximumConnections: Int) async throws {
    let reactor = try Reactor(backend: backend)
    let listener = try await Listener.bind(to: address, on: reactor)
    let isStopped = state.withLock { state in
      state.listener = listener
      return state.isStopped
    }
    guard !isStopped else { return }
    Console.print("listening on \(listener.localAddress) (\(backend)), relaying to \(targets[0])")
    await listener.serve(maximumConnections: maximumConnections) { client in
      await self.relay(client)
    }
  }

  /// Accepts no more, and goes on with the connections it has for a while.
  func stop() async {
    let listener = state.withLock { state in
      state.isStopped = true
      return state.listener
    }
    guard let listener else { return }
    let unfinished = await listener.shutDown(within: Self.drainLimit)
    if unfinished > 0 { Console.complain("closed \(unfinished) connections that were not finished within 5 seconds") }
  }

  private func relay(_ client: Connection) async {
    do {
      let target = try await connect(on: client.reactor)
      await RelayedPair(client, target, idleTimeout: idleTimeout).run()
    } catch {
      Console.complain("\(error); closing the connection of \(client.peerAddress?.description ?? "a client")")
      client.abort()
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
