#if ServiceLifecycle
  internal import Multiplex
  public import MultiplexAsync
  public import ServiceLifecycle

  /// A listener as a service: it serves until the service group shuts down, and then lets its connections finish.
  ///
  ///     let service = ListenerService(listener) { connection in
  ///       while let chunk = try await connection.read() {
  ///         try await connection.write(chunk)
  ///       }
  ///     }
  ///     try await ServiceGroup(services: [service], gracefulShutdownSignals: [.sigterm], logger: logger).run()
  ///
  /// A graceful shutdown stops accepting, waits for the connections, and closes the remaining ones when the time is up,
  /// cancelling their handlers. A handler that can end earlier than its client checks `Task.isShuttingDownGracefully`,
  /// or uses `withGracefulShutdownHandler`. Cancelling the task of ``run()`` cancels the handlers immediately.
  ///
  /// Available with the package trait `ServiceLifecycle`.
  public struct ListenerService: Service {
    private let listener: any ListenerProtocol
    private let drainTimeout: Duration
    private let idleTime: Duration?
    private let serve: @Sendable () async -> Void

    /// Makes a service of a listener that is already bound: clients can connect before the service runs.
    ///
    /// - Parameters:
    ///   - listener: Closed when the service ends.
    ///   - maximumConnections: The most connections to serve at a time; further clients wait to be accepted.
    ///   - drainTimeout: How long a graceful shutdown waits for the connections. Keep it below the time after which the
    ///     group, or the process manager, takes harsher measures.
    ///   - idleTime: After how long without a byte a graceful shutdown closes connections that owe nothing, such as
    ///     those that clients keep for later; nil waits for them too: see
    ///     `ListenerProtocol.shutDown(within:closingIdleAfter:)`.
    ///   - handler: Serves one connection, in its own task: see `ListenerProtocol.serve(limitedTo:_:)`.
    public init(
      _ listener: some ListenerProtocol, maximumConnections: Int = .max, drainTimeout: Duration = .seconds(10),
      closingIdleAfter idleTime: Duration? = nil, _ handler: @escaping @Sendable (Connection) async throws -> Void
    ) {
      self.init(listener, drainTimeout, idleTime) {
        await listener.serve(maximumConnections: maximumConnections, handler)
      }
    }

    /// Makes a service as ``init(_:maximumConnections:drainTimeout:closingIdleAfter:_:)`` does, but one whose
    /// connections need no task. A handler is made for each of them: see `ListenerProtocol.serveChunks(limitedTo:_:)`.
    ///
    ///     let service = ListenerService(servingChunksOf: listener) { connection in
    ///       ChunkHandler { chunk, replies in replies.write(chunk) }
    ///     }
    public init(
      servingChunksOf listener: some ListenerProtocol, maximumConnections: Int = .max,
      drainTimeout: Duration = .seconds(10), closingIdleAfter idleTime: Duration? = nil,
      _ makeHandler: @escaping @Sendable (Connection) -> ChunkHandler
    ) {
      self.init(listener, drainTimeout, idleTime) {
        await listener.serveChunks(maximumConnections: maximumConnections, makeHandler)
      }
    }

    private init(
      _ listener: any ListenerProtocol, _ drainTimeout: Duration, _ idleTime: Duration?,
      _ serve: @escaping @Sendable () async -> Void
    ) {
      self.listener = listener
      self.drainTimeout = drainTimeout
      self.idleTime = idleTime
      self.serve = serve
    }

    /// Serves until the task is shut down gracefully or cancelled, or the listener is closed. Called by the service group.
    public func run() async {
      await withTaskGroup(of: Void.self) { tasks in
        tasks.addTask { await serve() }
        tasks.addTask {
          // Throws if serving ends without a shutdown.
          guard (try? await gracefulShutdown()) != nil else { return }
          await listener.shutDown(within: drainTimeout, closingIdleAfter: idleTime)
        }
        await tasks.next()
        // After a shutdown nothing is left to cancel.
        tasks.cancelAll()
      }
      listener.close()
    }
  }

  extension ListenerService: CustomStringConvertible {
    /// The service's name in logs: "listener at 127.0.0.1:9999".
    public var description: String { "listener at \(listener.localAddress)" }
  }
#endif
