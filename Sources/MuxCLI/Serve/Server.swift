import Multiplex
import MultiplexAsync
import Synchronization
import SystemPackage

/// Serves many clients on one or several threads, each of which waits for all of its clients at once.
final class Server: Sendable {
  struct Settings: Sendable {
    let service: ServiceName
    let backend: Poller.Backend
    /// Zero makes one for each processor.
    let threads: Int
    let maximumConnections: Int
    /// In bytes.
    let highWater: Int
    let idleTimeout: Duration?
    /// How long a server that was told to stop goes on with what its clients are owed.
    let drainTimeout: Duration
    let isTraced: Bool
  }

  /// A server that was told to stop closes connections that owe nothing once nothing has moved on them for so long.
  private static let restBeforeClose = Duration.milliseconds(250)

  private struct State {
    var listeners: [ListenerGroup] = []
    var isStopping = false
    /// Ends with the number of connections that were closed unfinished.
    var stopping: Task<Int, Never>?
  }

  private let settings: Settings
  private let state = Mutex(State())

  init(_ settings: Settings) {
    self.settings = settings
  }

  /// Serves until ``stop()``.
  ///
  /// - Parameters:
  ///   - hosts: Where to listen: at all of their addresses that this machine has.
  ///   - paths: Of Unix sockets.
  /// - Returns: How many connections were closed though their clients were owed something.
  func run(at hosts: [HostPort], _ paths: [String]) async throws -> Int {
    let group = try makeReactors()
    do {
      for host in hosts { try await listen(on: host, with: group) }
      for path in paths { try await listen(on: .unix(path: path), with: group) }
    } catch {
      // Waited for, so that no socket's file is left.
      _ = await shutDown()
      throw error
    }
    greet(group)
    await serve()
    return await state.withLock { $0.stopping }?.value ?? 0
  }

  /// Accepts no more, and goes on with what clients are owed for a while.
  func stop() {
    state.withLock { state in
      state.isStopping = true
      state.stopping = state.stopping ?? Task { await self.shutDown() }
    }
  }

  private func makeReactors() throws(MultiplexError) -> ReactorGroup {
    let complaints = AcceptComplaints()
    let (backend, hasOneThread, isTraced) = (settings.backend, settings.threads == 1, settings.isTraced)
    return try ReactorGroup(count: settings.threads, backend: backend) { index in
      guard isTraced else { return complaints }
      return ReactorObservers([complaints, Trace(backend: backend, thread: hasOneThread ? nil : index + 1)])
    }
  }

  private func serve() async {
    let listeners = state.withLock { $0.listeners }
    let limit = ConnectionLimit(settings.maximumConnections)
    let handler = settings.service.handler { [settings] connection in
      // Nothing is read while the client has yet to take what it is owed.
      await connection.setWatermarks(Watermarks(low: 0, high: settings.highWater))
      if let limit = settings.idleTimeout { await connection.setIdleTimeout(limit) }
    }
    await withDiscardingTaskGroup { tasks in
      for listener in listeners {
        tasks.addTask { await listener.serve(within: limit, handler) }
      }
    }
  }

  private func shutDown() async -> Int {
    let (listeners, limit) = (state.withLock { $0.listeners }, settings.drainTimeout)
    return await withTaskGroup(of: Int.self) { tasks in
      for listener in listeners {
        tasks.addTask { await listener.shutDown(within: limit, closingIdleAfter: Self.restBeforeClose) }
      }
      return await tasks.reduce(0, +)
    }
  }
}

// MARK: - Listening

extension Server {
  private func listen(on address: SocketAddress, with group: ReactorGroup) async throws(MultiplexError) {
    let listener = try await ListenerGroup.bind(to: address, on: group)
    state.withLock { state in
      state.listeners.append(listener)
      // It was stopped before it had begun: what listens now does so in vain.
      if state.isStopping { listener.close() }
    }
  }

  /// Listens at all addresses of a host that this machine has. A name may have more: where IPv6 is switched off,
  /// "localhost" often goes on being ::1 as well.
  private func listen(on host: HostPort, with group: ReactorGroup) async throws {
    var missing: MultiplexError?
    var count = 0
    for address in try await host.resolve(for: .listening, on: group.reactors[0]) {
      do throws(MultiplexError) {
        try await listen(on: address, with: group)
        count += 1
      } catch {
        guard error.errno == .addressNotAvailable || error.errno == .addressFamilyNotSupported else { throw error }
        missing = error
      }
    }
    if let missing, count == 0 { throw missing }
  }

  private func greet(_ group: ReactorGroup) {
    let threads = group.reactors.count > 1 ? ", \(group.reactors.count) threads" : ""
    for listener in state.withLock({ $0.listeners }) {
      Console.print("listening on \(listener.localAddress) (\(settings.backend)\(threads))")
    }
  }
}
