public import Multiplex

extension Connection {
  /// Looks up a host, and connects to whichever of its addresses answers first.
  ///
  /// IPv6 and IPv4 addresses are tried in turn, each a quarter of a second after the previous one, or as soon as that
  /// one has failed: a family that doesn't work costs little time (RFC 8305, "Happy Eyeballs"). Connections established
  /// too late are closed.
  ///
  /// - Parameters:
  ///   - host: A name or an IP address, with a port.
  ///   - reactor: The reactor that the connection will belong to.
  ///   - timeout: The total time limit, including the name lookup; nil sets no limit.
  /// - Throws: ``ConnectionError/Reason/unresolved(_:)``, or the error of the attempt that failed last, as with
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

  /// Connects to a host written as text, "localhost:9999", "127.0.0.1:http", "[::1]:9999"; or to a Unix socket,
  /// "unix:/run/server.sock".
  ///
  /// - Throws: As ``connect(to:on:timeout:)-(HostPort,_,_)`` does; ``ConnectionError/Reason/unresolved(_:)`` for text
  ///   that is neither.
  public static func connect(
    to text: String, on reactor: Reactor, timeout: Duration? = nil
  ) async throws(ConnectionError) -> Connection {
    if let path = try parse({ () throws(MultiplexError) in try SocketAddress.unix(in: text) }) {
      return try await connect(to: path, on: reactor, timeout: timeout)
    }
    let host = try parse { () throws(MultiplexError) in try HostPort(text) }
    return try await connect(to: host, on: reactor, timeout: timeout)
  }

  private static func parse<Value>(
    _ body: () throws(MultiplexError) -> Value
  ) throws(ConnectionError) -> Value {
    do throws(MultiplexError) {
      return try body()
    } catch {
      throw ConnectionError(connecting: error)
    }
  }

  /// Connects to whichever of several addresses answers first. They are tried in order, each a quarter of a second
  /// after the previous one, or as soon as that one has failed.
  ///
  /// - Parameters:
  ///   - addresses: The first is tried first.
  ///   - reactor: The reactor that the connection will belong to.
  ///   - timeout: The total time limit; nil waits as long as the kernel does, which may be minutes.
  /// - Throws: The error of the attempt that failed last, as with ``connect(to:on:timeout:)-(SocketAddress,_,_)``;
  ///   ``ConnectionError/Reason/refused`` if there are no addresses.
  public static func connect(
    toAnyOf addresses: [SocketAddress], on reactor: Reactor, timeout: Duration? = nil
  ) async throws(ConnectionError) -> Connection {
    guard !addresses.isEmpty else { throw ConnectionError(.refused, during: .connect, peer: nil) }
    do {
      return try await withTimeout(timeout, on: reactor) {
        let race = ConnectionRace(addresses, on: reactor)
        return try await race.run()
      }
    } catch {
      throw ConnectionError(connecting: error)
    }
  }
}
