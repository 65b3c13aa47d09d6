import Multiplex
import MultiplexAsync

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

  private let settings: Settings
  private let listeners: ListenerSet

  init(_ settings: Settings) {
    self.settings = settings
    listeners = ListenerSet(drainLimit: settings.drainTimeout, closingIdleAfter: ListenerSet.restBeforeClose)
  }

  /// Serves until ``stop()``.
  ///
  /// - Parameter endpoints: Where to listen; of a host, at all of its addresses that this machine has.
  /// - Returns: How many connections were closed though their clients were owed something.
  func run(at endpoints: [Endpoint]) async throws -> Int {
    let group = try makeReactors()
    let threads = group.reactors.count > 1 ? ", \(group.reactors.count) threads" : ""
    try await listeners.open(endpoints, on: group, remark: "(\(settings.backend)\(threads))")
    let limit = ConnectionLimit(settings.maximumConnections)
    return await listeners.serve { [settings, listeners] listener in
      await settings.service.type.serve(listener, limitedTo: limit, isStopping: { listeners.isStopping }) {
        connection in
        // Nothing is read while the client has yet to take what it is owed.
        connection.setWatermarks(Watermarks(low: 0, high: settings.highWater))
        if let limit = settings.idleTimeout { connection.setIdleTimeout(limit) }
      }
    }
  }

  /// Accepts no more, and goes on with what clients are owed for a while.
  func stop() {
    listeners.stop()
  }

  private func makeReactors() throws(MultiplexError) -> ReactorGroup {
    let complaints = AcceptComplaints()
    let (backend, hasOneThread, isTraced) = (settings.backend, settings.threads == 1, settings.isTraced)
    return try ReactorGroup(count: settings.threads, backend: backend) { index in
      guard isTraced else { return complaints }
      return ReactorObservers([complaints, Trace(backend: backend, thread: hasOneThread ? nil : index + 1)])
    }
  }
}
