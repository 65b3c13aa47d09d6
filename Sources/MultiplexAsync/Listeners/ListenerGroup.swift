public import Multiplex
internal import SystemPackage

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

  private init(_ listeners: [Listener], at address: SocketAddress, on group: ReactorGroup) {
    self.listeners = listeners
    self.localAddress = address
    self.reactorGroup = group
  }

  /// Listens at an address.
  ///
  /// - Throws: As ``Listener/bind(to:on:reusePort:)-(SocketAddress,_,_)`` does; nobody listens then.
  public static func bind(
    to address: SocketAddress, on group: ReactorGroup
  ) async throws(MultiplexError) -> ListenerGroup {
    let isShared = address.port != nil && group.reactors.count > 1
    let first = try await Listener.bind(to: address, on: group.reactors[0], sharing: isShared ? .founding : .none)
    var listeners = [first]
    for reactor in isShared ? group.reactors.dropFirst() : [] {
      do throws(MultiplexError) {
        listeners.append(try await Listener.bind(to: first.localAddress, on: reactor, sharing: .joining))
      } catch {
        for listener in listeners { await listener.shutDown(within: .zero) }
        throw error
      }
    }
    return ListenerGroup(listeners, at: first.localAddress, on: group)
  }

  /// Listens at a numeric address with a port: "127.0.0.1:9999", "[::1]:0". A `HostPort` has a name looked up.
  ///
  /// - Throws: `MultiplexError.Reason.unknownAddress` for anything else; as ``bind(to:on:)-(SocketAddress,_)`` does.
  public static func bind(to text: String, on group: ReactorGroup) async throws(MultiplexError) -> ListenerGroup {
    try await bind(to: SocketAddress(text), on: group)
  }

  /// Looks a host up, and listens at all of its addresses that this machine has. A name may have more: where IPv6 is
  /// switched off, "localhost" often goes on being ::1 as well. An empty host, or "*", is every address of this machine.
  ///
  /// With port 0 each address gets a port of its own.
  ///
  /// - Returns: At least one.
  /// - Throws: As ``bind(to:on:)-(SocketAddress,_)`` does, if an address is taken, or the machine has none of them;
  ///   `MultiplexError.Reason.unknownAddress`. Nobody listens then.
  public static func bind(toAllOf host: HostPort, on group: ReactorGroup) async throws -> [ListenerGroup] {
    var groups: [ListenerGroup] = []
    var missing: MultiplexError?
    for address in try await host.resolve(for: .listening, on: group.reactors[0]) {
      do throws(MultiplexError) {
        groups.append(try await bind(to: address, on: group))
      } catch {
        guard error.saysAddressIsMissing else {
          for listener in groups { await listener.shutDown(within: .zero) }
          throw error
        }
        missing = error
      }
    }
    if let missing, groups.isEmpty { throw missing }
    return groups
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

extension MultiplexError {
  /// Whether a name has an address that this machine hasn't, or of a family that it doesn't use.
  var saysAddressIsMissing: Bool { errno == .addressNotAvailable || errno == .addressFamilyNotSupported }
}
