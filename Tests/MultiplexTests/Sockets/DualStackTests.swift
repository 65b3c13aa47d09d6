import Multiplex
import SystemPackage
import TestSupport
import Testing

/// IPv6 sockets and IPv4 clients.
@Suite(
  "Dual stack",
  .enabled("this machine has no IPv6") { (try? Socket.listening(on: .ipv6(.loopback, port: 0))) != nil })
struct DualStackTests {
  @Test("a dual-stack listener accepts IPv4 connections, whose peers have mapped addresses")
  func listener() throws {
    let listener = try Socket.listening(on: mapped, dualStack: true)
    let port = try #require(try listener.localAddress().port)
    let client = try Socket.connected(to: .ipv4(.loopback, port: port), timeout: patience)
    let accepted = try listener.acceptNext()
    let clientPort = try #require(try client.localAddress().port)
    #expect(accepted.peerAddress == (try SocketAddress("[::ffff:127.0.0.1]:\(clientPort)")))
  }

  @Test("without dual stack, an IPv6 socket has nothing to do with IPv4")
  func ipv6Only() throws {
    #expect(refusal { () throws(MultiplexError) in _ = try Socket.listening(on: mapped) } == .invalidArgument)
    #expect(refusal { () throws(MultiplexError) in _ = try UDPSocket.bound(to: mapped) } == .invalidArgument)
    #expect(try Socket.listening(on: .ipv6(.loopback, port: 0)).value(of: .ipv6Only))
    #expect(try UDPSocket.bound(to: .ipv6(.loopback, port: 0)).value(of: .ipv6Only))
  }

  @Test("a dual-stack UDP socket receives IPv4 datagrams, and can answer them")
  func datagrams() throws {
    let socket = try UDPSocket.bound(to: mapped, dualStack: true)
    let port = try #require(try socket.localAddress().port)
    let client = try UDPSocket.connected(to: .ipv4(.loopback, port: port))
    #expect(try client.send([1, 2]))
    _ = try select(reading: [socket.fileDescriptor], timeout: patience)
    let datagram = try #require(try socket.receive())
    #expect(datagram.bytes == [1, 2])
    let clientPort = try #require(try client.localAddress().port)
    #expect(datagram.sender == (try SocketAddress("[::ffff:127.0.0.1]:\(clientPort)")))
    #expect(try socket.send([3], to: datagram.sender))
    _ = try select(reading: [client.fileDescriptor], timeout: patience)
    #expect(try client.receive()?.bytes == [3])
  }
}

/// The loopback address of IPv4, as IPv6 sockets see it. Unlike `::`, it keeps other machines out.
private let mapped = SocketAddress.ipv6(IPv6Address(high: 0, low: 0xffff_7f00_0001), port: 0)
