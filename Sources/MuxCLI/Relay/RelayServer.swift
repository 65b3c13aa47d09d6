import Multiplex
import MultiplexAsync
import Synchronization

/// Forwards the connections that come to an address to another.
final class RelayServer: Sendable {
  /// How long a relay that was told to stop goes on with the connections it has, in seconds.
  static let drainLimit = 5.0

  private struct State {
    var listener: Listener?
    var isStopping = false
    /// Ends with the number of clients whose connections were closed unfinished.
    var stopping: Task<Int, Never>?
  }

  /// Tried in turn, until one answers.
  private let targets: [SocketAddress]
  private let connectTimeout: Duration
  private let idleTimeout: Duration?
  private let state = Mutex(State())

  init(targets: [SocketAddress], connectTimeout: Duration, idleTimeout: Duration?) {
    self.targets = targets
    self.connectTimeout = connectTimeout
    self.idleTimeout = idleTimeout
  }

  /// Relays until ``stop()``.
  ///
  /// - Returns: How many clients' connections were closed though they were not finished.
  func run(at address: SocketAddress, backend: Poller.Backend, maximumConnections: Int) async throws -> Int {
    let reactor = try Reactor(backend: backend)
    let listener = try await Listener.bind(to: address, on: reactor)
    let isStopping = state.withLock { state in
      state.listener = listener
      return state.isStopping
    }
    guard !isStopping else { return 0 }
    Console.print("listening on \(listener.localAddress) (\(backend)), relaying to \(targets[0])")
    await listener.serve(maximumConnections: maximumConnections) { client in
      await self.relay(client)
    }
    // The last connection may end before the shutdown has counted.
    return await state.withLock { $0.stopping }?.value ?? 0
  }

  /// Accepts no more, and goes on with the connections it has for a while.
  func stop() {
    state.withLock { state in
      state.isStopping = true
      guard let listener = state.listener, state.stopping == nil else { return }
      state.stopping = Task { await listener.shutDown(within: .seconds(Self.drainLimit)) }
    }
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
