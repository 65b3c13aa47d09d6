public import Multiplex

extension ListenerGroup {
  /// Listens at an address.
  ///
  /// - Parameters:
  ///   - address: An IP address with a port, where port 0 lets the kernel choose; or the path of a Unix socket.
  ///   - group: The reactors that the connections belong to.
  ///   - backlog: How many connections may wait to be accepted, on each reactor; the kernel has its own limit
  ///     (net.core.somaxconn).
  /// - Throws: As ``Listener/bind(to:on:backlog:reusePort:)-(SocketAddress,_,_,_)`` does; none of the reactors listens
  ///   then.
  public static func bind(
    to address: SocketAddress, on group: ReactorGroup, backlog: Int32 = Socket.defaultBacklog
  ) async throws(MultiplexError) -> ListenerGroup {
    let isShared = address.port != nil && group.reactors.count > 1
    let first = try await Listener.bind(
      to: address, on: group.reactors[0], backlog: backlog, sharing: isShared ? .founding : .none)
    var listeners = [first]
    for reactor in isShared ? group.reactors.dropFirst() : [] {
      do throws(MultiplexError) {
        listeners.append(
          try await Listener.bind(to: first.localAddress, on: reactor, backlog: backlog, sharing: .joining))
      } catch {
        for listener in listeners { await listener.shutDown(within: .zero) }
        throw error
      }
    }
    return ListenerGroup(listeners, at: first.localAddress, on: group)
  }

  /// Looks up a host, and listens at the first of its addresses that this machine has. An empty host, or "*", means
  /// every IPv4 address of this machine; ``bind(toAllOf:on:backlog:)`` includes the IPv6 addresses.
  ///
  /// - Throws: As ``bind(to:on:backlog:)-(SocketAddress,_,_)`` does; `MultiplexError.Reason.unknownAddress` with the
  ///   resolver's message; `CancellationError`.
  public static func bind(
    to host: HostPort, on group: ReactorGroup, backlog: Int32 = Socket.defaultBacklog
  ) async throws -> ListenerGroup {
    try await host.withFirstUsableAddress(on: group.reactors[0]) { (address) async throws(MultiplexError) in
      try await bind(to: address, on: group, backlog: backlog)
    }
  }

  /// Listens at a host and port written as text, "127.0.0.1:9999", "[::1]:0", "localhost:http"; or at the path of a
  /// Unix socket, "unix:/run/server.sock".
  ///
  /// - Throws: As ``bind(to:on:backlog:)-(HostPort,_,_)`` does; `MultiplexError.Reason.unknownAddress` for text that
  ///   is neither.
  public static func bind(
    to text: String, on group: ReactorGroup, backlog: Int32 = Socket.defaultBacklog
  ) async throws -> ListenerGroup {
    if let path = try SocketAddress.unix(in: text) { return try await bind(to: path, on: group, backlog: backlog) }
    return try await bind(to: HostPort(text), on: group, backlog: backlog)
  }

  /// Looks up a host, and listens at all of its addresses that this machine has. An empty host, or "*", means every
  /// address of this machine.
  ///
  /// With port 0, each address gets its own port.
  ///
  /// - Returns: One listener group per address, at least one.
  /// - Throws: As ``bind(to:on:backlog:)-(SocketAddress,_,_)`` does, if an address is in use, or the machine has none
  ///   of them; `MultiplexError.Reason.unknownAddress`. None of the addresses is listened at then.
  public static func bind(
    toAllOf host: HostPort, on group: ReactorGroup, backlog: Int32 = Socket.defaultBacklog
  ) async throws -> [ListenerGroup] {
    var groups: [ListenerGroup] = []
    var missing: MultiplexError?
    for address in try await host.resolve(for: .listening, on: group.reactors[0]) {
      do throws(MultiplexError) {
        groups.append(try await bind(to: address, on: group, backlog: backlog))
      } catch {
        guard error.isMissingAddress else {
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
