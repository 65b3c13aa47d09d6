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
    do {
      // Only the reactor uses it until it is done.
      nonisolated(unsafe) let socket = try Socket.unconnected(for: address)
      try await withTimeout(timeout, on: reactor) { try await unsafe reactor.connect(socket, to: address) }
      // Unix sockets don't have this option.
      try? unsafe socket.set(.noDelay, to: true)
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
