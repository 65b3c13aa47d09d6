import Multiplex
import SystemPackage
import TestSupport
import Testing

@Suite("Connecting to a host by its name")
struct ConnectingByNameTests {
  @Test("connecting by name tries the host's addresses until one answers")
  func severalAddresses() throws {
    // On many machines localhost is ::1 first, where nobody listens.
    let listener = try Socket.listening(on: .ipv4(.loopback, port: 0))
    let port = try #require(try listener.localAddress().port)
    let client = try Socket.connected(to: HostPort("localhost:\(port)"), timeout: .seconds(30))
    #expect(client.peerAddress == .ipv4(.loopback, port: port))
    #expect(try listener.acceptNext().peerAddress == client.localAddress())
  }

  @Test("connecting by name reports the refusal if none of the addresses answers")
  func noAnswer() throws {
    try withUnusedAddress { address in
      let error = #expect(throws: MultiplexError.self) { try Socket.connected(to: HostPort("\(address)")) }
      #expect(error?.errno == .connectionRefused)
      #expect(error?.subject == "\(address)")
    }
  }

  @Test("connecting by name reports a name without an address as such")
  func unknownName() throws {
    // Names below .invalid never exist (RFC 6761).
    let error = #expect(throws: MultiplexError.self) { try Socket.connected(to: HostPort("nobody.invalid:1")) }
    #expect(error?.reason == .unknownAddress)
  }
}
