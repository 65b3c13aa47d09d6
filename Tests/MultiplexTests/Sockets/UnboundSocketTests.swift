import Multiplex
import SystemPackage
import TestSupport
import Testing

/// Sockets whose options are set before they are bound, listen or connect.
@Suite("Unbound sockets") struct UnboundSocketTests {
  private let anyPort = SocketAddress.ipv4(.loopback, port: 0)

  @Test("options that are set before a socket listens are inherited by its connections")
  func listening() throws {
    let listener = try Socket.unbound(for: anyPort)
    try listener.set(.outOfBandInline, to: true)
    try listener.bind(to: anyPort)
    try listener.listen(backlog: 5)
    #expect(listener.peerAddress == nil)
    #expect(try listener.value(of: .isListening))
    let client = try Socket.connected(to: try listener.localAddress(), timeout: patience)
    let accepted = try listener.acceptNext()
    #expect(try accepted.value(of: .outOfBandInline))
    #expect(try !client.value(of: .outOfBandInline))
  }

  @Test("a Unix socket can be bound and listen, and leaves a file that is there alone")
  func unix() throws {
    let folder = try TemporaryFolder()
    let address = SocketAddress.unix(path: folder.file("socket"))
    let listener = try Socket.unbound(for: address)
    try listener.bind(to: address)
    try listener.listen()
    _ = try Socket.connected(to: address, timeout: patience)
    listener.close()
    let error = #expect(throws: MultiplexError.self) { try Socket.unbound(for: address).bind(to: address) }
    #expect(error?.errno == .addressInUse)
    #expect(error?.subject == address.description)
  }

  @Test("a client that is bound before it connects comes from that address")
  func source() throws {
    let listener = try Socket.listening(on: anyPort)
    let address = try listener.localAddress()
    let client = try Socket.unconnected(for: address)
    try client.bind(to: SocketAddress("127.0.0.2:0"))
    try client.beginConnecting(to: address)
    let accepted = try listener.acceptNext()
    #expect(accepted.peerAddress == (try client.localAddress()))
    #expect("\(try client.localAddress())".hasPrefix("127.0.0.2:"))
  }

  @Test("a closed socket is refused, and so is a second address; a listen error names the address")
  func refused() throws {
    let socket = try Socket.unbound(for: anyPort)
    try socket.bind(to: anyPort)
    #expect(refusal { () throws(MultiplexError) in try socket.bind(to: anyPort) } == .invalidArgument)
    socket.close()
    #expect(refusal { () throws(MultiplexError) in try socket.bind(to: anyPort) } == .closed)
    #expect(refusal { () throws(MultiplexError) in try socket.listen() } == .closed)
    // Several may share an address, but not all of them listen at it.
    let sharing = try (0..<2).map { _ in
      let socket = try Socket.unbound(for: anyPort)
      try socket.set(.reuseAddress, to: true)
      return socket
    }
    try sharing[0].bind(to: anyPort)
    let address = try sharing[0].localAddress()
    try sharing[1].bind(to: address)
    try sharing[0].listen()
    let error = #expect(throws: MultiplexError.self) { try sharing[1].listen() }
    #expect(error?.call == "listen")
    #expect(error?.errno == .addressInUse)
    #expect(error?.subject == address.description)
  }

  @Test("a UDP socket can be allowed to broadcast before it is connected, and be bound before")
  func datagrams() throws {
    // The broadcast address of the loopback network; connecting sends nothing.
    let broadcast = try SocketAddress("127.255.255.255:9")
    let error = #expect(throws: MultiplexError.self) { _ = try UDPSocket.connected(to: broadcast) }
    #expect(error?.errno == .permissionDenied)
    #expect(error?.advice?.contains(".broadcast") == true)
    var socket = try UDPSocket.unbound(for: broadcast)
    #expect(socket.peerAddress == nil)
    try socket.set(.broadcast, to: true)
    try socket.bind(to: anyPort)
    let local = try socket.localAddress()
    try socket.connect(to: broadcast)
    #expect(socket.peerAddress == broadcast)
    let listening = try UDPSocket.bound(to: anyPort)
    try socket.connect(to: try listening.localAddress())
    #expect(socket.peerAddress == (try listening.localAddress()))
    #expect(try socket.send([1]))
    _ = try select(reading: [listening.fileDescriptor], timeout: patience)
    #expect(try listening.receive()?.sender == local)
  }
}
