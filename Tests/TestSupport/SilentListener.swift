public import Multiplex

/// A listener that doesn't answer: its queue is full, so the kernel drops new connections.
public final class SilentListener {
  /// An IPv4 address.
  public let address: SocketAddress
  /// The clients that fill the queue. There is room for one; whether there is for a second, the kernel decides.
  public let clients: [Socket]
  private let socket: Socket

  /// Listens on loopback, and fills the queue.
  public init() throws {
    socket = try Socket.listening(on: .ipv4(.loopback, port: 0), backlog: 0)
    address = try socket.localAddress()
    clients = [try Socket.connected(to: address, timeout: .seconds(60)), try Socket.connecting(to: address)]
  }
}
