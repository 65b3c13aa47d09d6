import Multiplex
import MultiplexAsync

/// Serves many clients on one or more threads, each of which waits for all of its clients at once.
final class Server: Sendable {
  struct Settings: Sendable {
    let service: ServiceName
    /// Nil for the automatic one.
    let backend: Poller.Backend?
    /// The number of threads; zero means one for each processor that the process may use.
    let threads: Int
    let maximumConnections: Int
    /// The number of queued bytes above which a client isn't read from.
    let highWater: Int
    let idleTimeout: Duration?
    /// How long the server drains its connections after ``Server/stop()``.
    let drainTimeout: Duration
    let isTraced: Bool
    /// Where to show the server in a browser; nil for nowhere.
    let inspection: HostPort?
  }

  /// After ``stop()``, connections with nothing queued are closed once they have been idle for this long.
  private static let idleTimeBeforeClose = Duration.milliseconds(250)

  private let settings: Settings
  private let listeners: ListenerSet

  init(_ settings: Settings) {
    self.settings = settings
    listeners = ListenerSet(drainLimit: settings.drainTimeout, closingIdleAfter: Self.idleTimeBeforeClose)
  }

  /// Serves until ``stop()``.
  ///
  /// - Parameter endpoints: Where to listen; for a host, on all of its addresses that this machine has.
  /// - Returns: The number of connections that were closed with bytes still queued.
  func run(at endpoints: [Endpoint]) async throws -> Int {
    guard let host = settings.inspection else { return try await serve(at: endpoints, on: makeReactors()) }
    let inspector = try Inspector(of: settings.service, backend: settings.backend)
    let group = try makeReactors(inspector)
    try await listeners.interruptibly { try await inspector.start(at: host) }
    do {
      let unfinished = try await serve(at: endpoints, on: group, inspector)
      await inspector.stop()
      return unfinished
    } catch {
      await inspector.stop()
      throw error
    }
  }

  /// Stops accepting, and drains the connections.
  func stop() {
    listeners.stop()
  }

  private func serve(
    at endpoints: [Endpoint], on group: ReactorGroup, _ inspector: Inspector? = nil
  ) async throws -> Int {
    try await listeners.open(endpoints, on: group)
    inspector?.greet(group, at: listeners.addresses)
    let limit = ConnectionLimit(settings.maximumConnections)
    return await listeners.serve { [settings, listeners] listener in
      await settings.service.type.serve(listener, limitedTo: limit, isStopping: { listeners.isStopping }) {
        connection in
        // Nothing is read while bytes for the client are queued.
        connection.setWatermarks(Watermarks(low: 0, high: settings.highWater))
        if let limit = settings.idleTimeout { connection.setIdleTimeout(limit) }
      }
    }
  }

  private func makeReactors(_ inspector: Inspector? = nil) throws(MultiplexError) -> ReactorGroup {
    let warnings = ReactorWarnings()
    let (hasOneThread, isTraced) = (settings.threads == 1, settings.isTraced)
    let backend = settings.backend ?? Reactor.automaticBackend
    return try ReactorGroup.serving(count: settings.threads, backend: settings.backend) { index in
      var observers: [any ReactorObserver] = [warnings]
      if isTraced { observers.append(Trace.observer(backend: backend, thread: hasOneThread ? nil : index + 1)) }
      if let inspector { observers.append(inspector.makeObserver(backend: backend)) }
      return observers.count == 1 ? warnings : ReactorObservers(observers)
    }
  }
}
