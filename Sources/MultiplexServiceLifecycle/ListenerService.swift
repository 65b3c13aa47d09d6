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
  /// A graceful shutdown accepts no more, waits for the connections, and closes those that are left when the time is up,
  /// cancelling their handlers. A handler that can end earlier than its client asks for `Task.isShuttingDownGracefully`,
  /// or is told by `withGracefulShutdownHandler`. Cancelling the task of ``run()`` cancels the handlers at once.
  ///
  /// Exists with the package trait `ServiceLifecycle`.
  public struct ListenerService: Service {
    private let listener: any ServedListener
    private let maximumConnections: Int
    private let drainTimeout: Duration
    private let rest: Duration?
    private let handler: @Sendable (Connection) async throws -> Void

    /// Makes a service of a listener that is bound already: who depends on it finds it listening before it runs.
    ///
    /// - Parameters:
    ///   - listener: Closed when the service ends.
    ///   - maximumConnections: Further clients wait to be accepted.
    ///   - drainTimeout: How long a graceful shutdown waits for the connections. Keep it below the time after which the
    ///     group, or whoever manages the process, does worse.
    ///   - rest: After how long without a byte a graceful shutdown closes connections that owe nothing, such as those that
    ///     clients keep for later; nil waits for them too. See ``MultiplexAsync/Listener/shutDown(within:closingIdleAfter:)``.
    ///   - handler: Serves one connection: see ``MultiplexAsync/Listener/serve(maximumConnections:_:)``.
    public init(
      _ listener: Listener, maximumConnections: Int = .max, drainTimeout: Duration = .seconds(10),
      closingIdleAfter rest: Duration? = nil, _ handler: @escaping @Sendable (Connection) async throws -> Void
    ) {
      self.init(served: listener, maximumConnections, drainTimeout, rest, handler)
    }

    /// Makes a service of the listeners of several reactors: see
    /// ``init(_:maximumConnections:drainTimeout:closingIdleAfter:_:)-(Listener,_,_,_,_)``.
    public init(
      _ listeners: ListenerGroup, maximumConnections: Int = .max, drainTimeout: Duration = .seconds(10),
      closingIdleAfter rest: Duration? = nil, _ handler: @escaping @Sendable (Connection) async throws -> Void
    ) {
      self.init(served: listeners, maximumConnections, drainTimeout, rest, handler)
    }

    private init(
      served listener: any ServedListener, _ maximumConnections: Int, _ drainTimeout: Duration, _ rest: Duration?,
      _ handler: @escaping @Sendable (Connection) async throws -> Void
    ) {
      self.listener = listener
      self.maximumConnections = maximumConnections
      self.drainTimeout = drainTimeout
      self.rest = rest
      self.handler = handler
    }

    /// Serves until the task is shut down gracefully or cancelled, or the listener is closed. Called by the service group.
    public func run() async {
      await withTaskGroup(of: Void.self) { tasks in
        tasks.addTask { await listener.serve(maximumConnections: maximumConnections, handler) }
        tasks.addTask {
          // Throws when serving has ended without a shutdown.
          guard (try? await gracefulShutdown()) != nil else { return }
          await listener.shutDown(within: drainTimeout, closingIdleAfter: rest)
        }
        await tasks.next()
        // After a shutdown there is nobody left to cancel.
        tasks.cancelAll()
      }
      listener.close()
    }
  }

  extension ListenerService: CustomStringConvertible {
    /// How logs call the service: "listener at 127.0.0.1:9999".
    public var description: String { "listener at \(listener.localAddress)" }
  }

  /// What both kinds of listeners do for a service.
  private protocol ServedListener: Sendable {
    var localAddress: SocketAddress { get }
    func serve(maximumConnections: Int, _ handler: @escaping @Sendable (Connection) async throws -> Void) async
    @discardableResult
    func shutDown(within limit: Duration, closingIdleAfter rest: Duration?) async -> Int
    func close()
  }

  extension Listener: ServedListener {}
  extension ListenerGroup: ServedListener {}
#endif
