import Multiplex
import SystemPackage
import TestSupport
import Testing

@Suite("UDPSocket") struct UDPSocketTests {
  @Test(
    "a UDP datagram arrives whole, with its sender's address, to which a reply can be sent",
    arguments: ["127.0.0.1:0", "[::1]:0"])
  func exchange(address: String) throws {
    let server = try UDPSocket.bound(to: SocketAddress(address))
    let client = try UDPSocket.bound(to: SocketAddress(address))
    let messages: [[UInt8]] = [[1, 2, 3], [], [UInt8](repeating: 7, count: 9_000)]
    for message in messages { #expect(try client.send(message, to: server.localAddress())) }
    for message in messages {
      let datagram = try #require(try awaitDatagram(on: server))
      #expect(datagram == Datagram(bytes: message, sender: try client.localAddress()))
      #expect(try server.send(datagram.bytes.reversed(), to: datagram.sender))
      let answer = try awaitDatagram(on: client)
      #expect(answer == Datagram(bytes: message.reversed(), sender: try server.localAddress()))
    }
    #expect(try server.receive() == nil)
  }

  @Test("a registered UDP socket is ready when a datagram has arrived, and not before", arguments: usableBackends)
  func polling(backend: Poller.Backend) throws {
    let socket = try UDPSocket.bound(to: SocketAddress("127.0.0.1:0"))
    let poller = try Poller(backend: backend)
    try poller.register(socket, for: .read)
    #expect(try poller.wait(timeout: .zero).isEmpty)
    #expect(try socket.send([1], to: socket.localAddress()))
    #expect(try poller.wait(timeout: .seconds(60)).contains { $0.readiness.isReadable })
    #expect(try socket.receive()?.bytes == [1])
    #expect(try poller.wait(timeout: .zero).isEmpty)
    try poller.unregister(socket)
  }

  @Test("a connected UDP socket needs no address, and receives from no other")
  func connected() throws {
    let server = try UDPSocket.bound(to: SocketAddress("127.0.0.1:0"))
    let stranger = try UDPSocket.bound(to: SocketAddress("127.0.0.1:0"))
    let client = try UDPSocket.connected(to: server.localAddress())
    #expect(client.peerAddress == (try server.localAddress()))
    #expect(try client.send([1]))
    #expect(try awaitDatagram(on: server)?.sender == client.localAddress())
    #expect(try stranger.send([9], to: client.localAddress()))
    #expect(try server.send([2], to: client.localAddress()))
    #expect(try awaitDatagram(on: client)?.bytes == [2])
  }

  @Test("a connected UDP socket learns that nobody listens")
  func refused() throws {
    let socket = try UDPSocket.connected(to: vacantAddress())
    #expect(try socket.send([1]))
    let error = #expect(throws: MultiplexError.self) { _ = try awaitDatagram(on: socket) }
    #expect(error?.call == "recvfrom")
    #expect(error?.errno == .connectionRefused)
  }

  @Test("bytes of a datagram that don't fit in the memory are lost, but no other datagram is")
  func truncation() throws {
    let socket = try UDPSocket.bound(to: SocketAddress("127.0.0.1:0"))
    for message: [UInt8] in [[1, 2, 3, 4], [5]] { #expect(try socket.send(message, to: socket.localAddress())) }
    _ = try select(reading: [socket.fileDescriptor], timeout: .seconds(60))
    var bytes: [UInt8] = [0, 0]
    var memory = bytes.mutableSpan
    #expect(try socket.receive(into: &memory)?.count == 2)
    #expect(try awaitDatagram(on: socket)?.bytes == [5])
    #expect(bytes == [1, 2])
  }

  @Test("the longest datagram arrives whole, and a longer one is refused")
  func longest() throws {
    let socket = try UDPSocket.bound(to: SocketAddress("127.0.0.1:0"))
    let bytes = (0..<65_507).map { UInt8(truncatingIfNeeded: $0 &* 31 >> 3) }
    #expect(try socket.send(bytes, to: socket.localAddress()))
    #expect(try awaitDatagram(on: socket)?.bytes == bytes)
    let error = #expect(throws: MultiplexError.self) { _ = try socket.send(bytes + [0], to: socket.localAddress()) }
    #expect(error?.errno == .messageTooLong)
    #expect("\(try #require(error))".contains("65,507"))
  }

  @Test("errors of a send say what to do")
  func advice() throws {
    let socket = try UDPSocket.bound(to: SocketAddress("127.0.0.1:0"))
    let nowhere = #expect(throws: MultiplexError.self) { _ = try socket.send([1]) }
    #expect("\(try #require(nowhere))".contains("connect the socket"))
    let everybody = try SocketAddress("255.255.255.255:9999")
    let forbidden = #expect(throws: MultiplexError.self) { _ = try socket.send([1], to: everybody) }
    #expect("\(try #require(forbidden))".contains("255.255.255.255:9999"))
    #expect(try socket.value(of: .broadcast) == false)
    let path = #expect(throws: MultiplexError.self) { _ = try UDPSocket.bound(to: .unix(path: "/tmp/nothing")) }
    #expect(path?.reason == .invalidArgument)
  }

  @Test("several UDP sockets share an address if all of them ask for it")
  func sharing() throws {
    let first = try UDPSocket.bound(to: SocketAddress("127.0.0.1:0"), reusePort: true)
    _ = try UDPSocket.bound(to: first.localAddress(), reusePort: true)
    let error = #expect(throws: MultiplexError.self) { _ = try UDPSocket.bound(to: first.localAddress()) }
    #expect(error?.errno == .addressInUse)
  }

  @Test("a UDP socket is closed when its value ends, and its port is free again")
  func ownership() throws {
    Forks.pause()
    defer { Forks.resume() }
    let address = try vacantAddress()
    #expect(try UDPSocket.bound(to: address).localAddress() == address)
    let socket = try UDPSocket.bound(to: address)
    try socket.close()
    #expect(try UDPSocket.bound(to: address).localAddress() == address)
  }

  @Test("a descriptor that is taken from a UDP socket stays open")
  func handedOver() throws {
    let socket = try UDPSocket.bound(to: SocketAddress("127.0.0.1:0"))
    let address = try socket.localAddress()
    let descriptor = socket.take()
    let adopted = UDPSocket(adopting: descriptor)
    #expect(try adopted.localAddress() == address)
    #expect(adopted.peerAddress == nil)
  }

  /// An address where a socket was, and now there is none.
  private func vacantAddress() throws -> SocketAddress {
    try UDPSocket.bound(to: SocketAddress("127.0.0.1:0")).localAddress()
  }

  private func awaitDatagram(on socket: borrowing UDPSocket) throws -> Datagram? {
    _ = try select(reading: [socket.fileDescriptor], timeout: .seconds(60))
    return try socket.receive()
  }
}
