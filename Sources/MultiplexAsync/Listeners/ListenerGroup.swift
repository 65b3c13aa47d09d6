public import Multiplex

/// Accepts the connections to an address, and distributes them over the reactors of a group.
///
/// At an IP address, each reactor has its own listener, and the kernel distributes the connections among them
/// (`SO_REUSEPORT`): no connection changes threads. An address at which something else listens is still an error. At
/// the path of a Unix socket there is one listener, whose connections the reactors take over in turn.
public final class ListenerGroup: Sendable {
  /// The reactors that the connections belong to.
  public let reactorGroup: ReactorGroup
  /// Where it listens, with the port that the kernel chose if port 0 was requested.
  public let localAddress: SocketAddress
  /// At least one.
  private let listeners: [Listener]

  init(_ listeners: [Listener], at address: SocketAddress, on group: ReactorGroup) {
    self.listeners = listeners
    self.localAddress = address
    self.reactorGroup = group
  }
}

extension ListenerGroup: ListenerProtocol {
  /// Serves each connection in its own task: see ``ListenerProtocol/serve(limitedTo:_:)``.
  public func serve(
    limitedTo limit: ConnectionLimit?, _ handler: @escaping @Sendable (Connection) async throws -> Void
  ) async {
    await serve(in: .tasks(handler), limitedTo: limit)
  }

  /// Serves each connection without a task: see ``ListenerProtocol/serveChunks(limitedTo:_:)``.
  public func serveChunks(
    limitedTo limit: ConnectionLimit?, _ makeHandler: @escaping @Sendable (Connection) -> ChunkHandler
  ) async {
    await serve(in: .loop(makeHandler), limitedTo: limit)
  }

  private func serve(in mode: ServingMode, limitedTo limit: ConnectionLimit?) async {
    let isHandingOver = listeners.count < reactorGroup.reactors.count
    await withDiscardingTaskGroup { tasks in
      for listener in listeners {
        tasks.addTask(executorPreference: listener.reactor) { [reactorGroup] in
          await listener.serve(in: mode, limitedTo: limit, over: isHandingOver ? reactorGroup : nil)
        }
      }
    }
  }

  /// Whether it is closed or shutting down: see ``ListenerProtocol/isClosed``.
  public var isClosed: Bool { listeners.contains(where: \.isClosed) }

  /// Stops accepting, from any thread. Existing connections continue.
  public func close() {
    for listener in listeners { listener.close() }
  }

  /// Stops accepting, and waits until the served connections have ended: see
  /// ``ListenerProtocol/shutDown(within:closingIdleAfter:)``.
  @discardableResult
  public func shutDown(within limit: Duration, closingIdleAfter idleTime: Duration?) async -> Int {
    // No listener accepts while another is waited for.
    close()
    return await withTaskGroup(of: Int.self) { tasks in
      for listener in listeners {
        tasks.addTask { await listener.shutDown(within: limit, closingIdleAfter: idleTime) }
      }
      return await tasks.reduce(0, +)
    }
  }
}

extension ListenerGroup: CustomStringConvertible {
  /// The address: "<listeners at 127.0.0.1:9999>".
  public var description: String { "<listeners at \(localAddress)>" }
}
