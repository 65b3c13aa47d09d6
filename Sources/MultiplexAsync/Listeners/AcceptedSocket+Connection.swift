internal import Multiplex

extension AcceptedSocket {
  /// Makes a connection of the socket, on the reactor's thread.
  ///
  /// - Parameter address: The listener's.
  func connection(at address: SocketAddress, on reactor: Reactor) throws(MultiplexError) -> Connection {
    try Connection(
      adopting: OwnedDescriptor(adopting: descriptor), peer: peerAddress, origin: .accepted(at: address), on: reactor)
  }
}
