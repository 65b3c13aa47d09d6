public import Multiplex

/// Two TCP sockets that are connected to each other over loopback.
public func connectedPair() throws -> (Socket, Socket) {
  let listener = try Socket.listening(on: SocketAddress.ipv4(.loopback, port: 0))
  let near = try Socket.connected(to: listener.localAddress(), timeout: .seconds(30))
  return (near, try listener.acceptNext())
}
