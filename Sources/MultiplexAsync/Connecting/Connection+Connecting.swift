public import Multiplex
internal import SystemPackage

extension Connection {
  /// Connects to an address.
  ///
  /// - Parameters:
  ///   - address: An IP address with a port, or the path of a Unix socket.
  ///   - reactor: The reactor that the connection will belong to.
  ///   - timeout: How long it may take; nil waits as long as the kernel does, which may be minutes.
  /// - Throws: ``ConnectionError/Reason/refused``, ``ConnectionError/Reason/timedOut``,
  ///   ``ConnectionError/Reason/cancelled``, or the kernel's error. Nothing is left behind.
  public static func connect(
    to address: SocketAddress, on reactor: Reactor, timeout: Duration? = nil
  ) async throws(ConnectionError) -> Connection {
    try await connect(to: address, on: reactor, timeout: timeout) { () throws(MultiplexError) in
      try Socket.unconnected(for: address)
    }
  }

  /// Connects a socket with options of its own, such as the address to connect from. It takes ownership of the socket,
  /// and makes it non-blocking.
  ///
  ///     let socket = try Socket.unbound(for: address)
  ///     try socket.bind(to: SocketAddress("127.0.0.2:0"))
  ///     let connection = try await Connection.connect(socket, to: address, on: reactor)
  ///
  /// - Parameters:
  ///   - socket: A socket of the address's family that isn't connected.
  ///   - address: An IP address with a port, or the path of a Unix socket.
  ///   - reactor: The reactor that the connection will belong to.
  ///   - timeout: How long it may take; nil waits as long as the kernel does, which may be minutes.
  /// - Throws: As ``connect(to:on:timeout:)-(SocketAddress,_,_)`` does. The socket is closed then.
  public static func connect(
    _ socket: Socket, to address: SocketAddress, on reactor: Reactor, timeout: Duration? = nil
  ) async throws(ConnectionError) -> Connection {
    try await connect(to: address, on: reactor, timeout: timeout) { () throws(MultiplexError) in
      try socket.setNonBlocking()
      return Socket(adopting: try socket.take())
    }
  }

  /// - Parameter makeSocket: Makes the socket to connect.
  private static func connect(
    to address: SocketAddress, on reactor: Reactor, timeout: Duration?,
    _ makeSocket: () throws(MultiplexError) -> Socket
  ) async throws(ConnectionError) -> Connection {
    do {
      // Only the reactor uses it until it is done.
      nonisolated(unsafe) let socket = try makeSocket()
      try await withTimeout(timeout, on: reactor) { try await unsafe reactor.connect(socket, to: address) }
      return try await unsafe adopt(socket, origin: .connected, on: reactor)
    } catch {
      let failure = ConnectionError(connecting: error, to: address)
      report(failure, to: address, on: reactor)
      throw failure
    }
  }

  /// Notifies the reactor's observer, if there is one, that a connection couldn't be established.
  private static func report(_ failure: ConnectionError, to address: SocketAddress, on reactor: Reactor) {
    guard failure.reason != .cancelled, let subscription = reactor.loop.subscription else { return }
    reactor.onLoop { subscription.connectFailed(to: address, because: failure) }
  }
}
