public import Multiplex

/// Takes the connections that come to an address, and spreads them over the reactors of a group.
///
/// At an IP address each reactor has a listener of its own, among which the kernel spreads the connections
/// (`SO_REUSEPORT`): no connection changes threads. An address at which somebody else listens is an error all the same.
/// At the path of a Unix socket there is one listener, whose connections the reactors take over in turn.
public final class ListenerGroup: Sendable {
  /// The reactors that the connections belong to.
  public let reactorGroup: ReactorGroup
  /// Where it listens, with the port that the kernel chose where port 0 was asked for.
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
  /// Serves each connection in a task of its own: see ``ListenerProtocol/serve(limitedTo:_:)``.
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

  private func serve(in way: ServingMode, limitedTo limit: ConnectionLimit?) async {
    let isHandingOver = listeners.count < reactorGroup.reactors.count
    await withDiscardingTaskGroup { tasks in
      for listener in listeners {
        tasks.addTask(executorPreference: listener.reactor) { [reactorGroup] in
          await listener.serve(in: way, limitedTo: limit, over: isHandingOver ? reactorGroup : nil)
        }
      }
    }
  }

  /// Whether it accepts no more: see ``ListenerProtocol/isClosed``.
  public var isClosed: Bool { listeners.contains(where: \.isClosed) }

  /// Accepts no more, from any thread. The connections go on.
  public func close() {
    for listener in listeners { listener.close() }
  }

  /// Accepts no more, and waits until the connections that are served have ended: see
  /// ``ListenerProtocol/shutDown(within:closingIdleAfter:)``.
  @discardableResult
  public func shutDown(within limit: Duration, closingIdleAfter rest: Duration?) async -> Int {
    // None goes on accepting while another is waited for.
    close()
    return await withTaskGroup(of: Int.self) { tasks in
      for listener in listeners { tasks.addTask { await listener.shutDown(within: limit, closingIdleAfter: rest) } }
      return await tasks.reduce(0, +)
    }
  }
}

extension ListenerGroup: CustomStringConvertible {
  /// The address: "<listeners at 127.0.0.1:9999>".
  public var description: String { "<listeners at \(localAddress)>" }
}
