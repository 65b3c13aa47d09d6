public import Multiplex

extension Connection {
  /// Looks a host up, and connects to whichever of its addresses answers first.
  ///
  /// IPv6 and IPv4 addresses are tried in turn, each a quarter of a second after the one before, or at once when that has
  /// failed: a family that doesn't work costs little time (RFC 8305, "Happy Eyeballs"). Connections that come about too
  /// late are closed.
  ///
  /// - Parameters:
  ///   - host: A name or an IP address, with a port.
  ///   - reactor: What the connection is to belong to.
  ///   - timeout: How long it may take in all, looking the name up included; nil sets no limit.
  /// - Throws: ``ConnectionError/Reason/unresolved(_:)``, or what the last of the addresses came to, as
  ///   ``connect(to:on:timeout:)-(SocketAddress,_,_)`` does.
  public static func connect(
    to host: HostPort, on reactor: Reactor, timeout: Duration? = nil
  ) async throws(ConnectionError) -> Connection {
    do {
      return try await withTimeout(timeout, on: reactor) {
        let addresses = try await host.resolve(for: .connecting, on: reactor)
        return try await connect(toAnyOf: AddressOrder.alternating(addresses), on: reactor)
      }
    } catch {
      throw ConnectionError(connecting: error)
    }
  }

  /// Connects to a host as people write it: "localhost:9999", "127.0.0.1:http", "[::1]:9999".
  ///
  /// - Throws: As ``connect(to:on:timeout:)-(HostPort,_,_)`` does; ``ConnectionError/Reason/unresolved(_:)`` for a text
  ///   that is no HOST:PORT.
  public static func connect(
    to text: String, on reactor: Reactor, timeout: Duration? = nil
  ) async throws(ConnectionError) -> Connection {
    let host: HostPort
    do throws(MultiplexError) {
      host = try HostPort(text)
    } catch {
      throw ConnectionError(connecting: error)
    }
    return try await connect(to: host, on: reactor, timeout: timeout)
  }

  /// Connects to whichever of several addresses answers first. They are tried in their order, each a quarter of a second
  /// after the one before, or at once when that has failed.
  ///
  /// - Parameters:
  ///   - addresses: The first is tried first.
  ///   - reactor: What the connection is to belong to.
  ///   - timeout: How long it may take in all; nil waits as long as the kernel does, which may be minutes.
  /// - Throws: What the last of the addresses came to, as ``connect(to:on:timeout:)-(SocketAddress,_,_)`` does;
  ///   ``ConnectionError/Reason/refused`` where there is none.
  public static func connect(
    toAnyOf addresses: [SocketAddress], on reactor: Reactor, timeout: Duration? = nil
  ) async throws(ConnectionError) -> Connection {
    guard !addresses.isEmpty else { throw ConnectionError(.refused, during: .connect, peer: nil) }
    do {
      return try await withTimeout(timeout, on: reactor) {
        var race = ConnectionRace(addresses, on: reactor)
        return try await race.run()
      }
    } catch {
      throw ConnectionError(connecting: error)
    }
  }
}
