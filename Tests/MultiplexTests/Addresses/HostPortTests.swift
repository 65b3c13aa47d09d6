import Foundation
import Multiplex
import SystemPackage
import TestSupport
import Testing

@Suite("HostPort") struct HostPortTests {
  @Test(
    "a string is split into host and port",
    arguments: [
      ("127.0.0.1:9999", "127.0.0.1", "9999"),
      ("localhost:http", "localhost", "http"),
      ("example.org:0", "example.org", "0"),
      ("a.b-c.example:65535", "a.b-c.example", "65535"),
      (":9999", "", "9999"),
      ("*:9999", "", "9999"),
      ("[::1]:9999", "::1", "9999"),
      ("[::]:80", "::", "80"),
      ("[fe80::1%eth0]:80", "fe80::1%eth0", "80"),
      ("[::ffff:192.0.2.1]:80", "::ffff:192.0.2.1", "80"),
      ("münchen.example:80", "münchen.example", "80"),
      ("host:00080", "host", "00080"),
    ])
  func good(text: String, host: String, port: String) throws {
    let parts = try HostPort(text)
    #expect(parts.host == host)
    #expect(parts.port == port)
  }

  @Test(
    "a string that isn't HOST:PORT is rejected with advice, and quoted",
    arguments: [
      "", ":", "localhost", "localhost:", "9999", "127.0.0.1:65536", "127.0.0.1:-1", "127.0.0.1:+80", "127.0.0.1: 80",
      "127.0.0.1:80 ", "127.0.0.1:99999999999999999999", "127.0.0.1:0x50", "127.0.0.1:٨٠", "127.0.0.1:8²",
      "::1:9999", "::1", "fe80::1%eth0:80", "1:2:3", "[::1]", "[::1]:", "[::1:80", "::1]:80", "[]:80", "[*]:80",
      "[127.0.0.1]:80", "[localhost]:80", "[:80", "]:80", "[[::1]]:80", "[::1]x:80", "[%eth0]:80", "[::g]:80",
      "local\0host:80", "localhost:80\0", "localhost:http\0",
    ])
  func bad(text: String) throws {
    let error = #expect(throws: MultiplexError.self) { try HostPort(text) }
    #expect(error?.reason == .unknownAddress)
    #expect(error?.subject == "'\(text)'")
    #expect(error?.advice != nil)
  }

  @Test(
    "a host and a port number are joined",
    arguments: [("127.0.0.1", "127.0.0.1:80"), ("::1", "[::1]:80"), ("localhost", "localhost:80"), ("", ":80")])
  func joined(host: String, text: String) throws {
    #expect(try HostPort(host: host, port: 80) == HostPort(text))
    #expect(try HostPort(host: host, port: 80).description == text)
  }

  @Test(
    "an invalid host can't be joined with a port", arguments: ["a:b", "[::1]", "a/b", "local\0host", "localhost:80"])
  func notJoined(host: String) {
    let error = #expect(throws: MultiplexError.self) { try HostPort(host: host, port: 80) }
    #expect(error?.reason == .unknownAddress)
  }

  @Test(
    "the path of a Unix socket is rejected with a hint about what accepts it",
    arguments: ["/run/socket", "unix:/run/a:1"])
  func path(text: String) {
    let error = #expect(throws: MultiplexError.self) { try HostPort(text) }
    #expect(error?.advice?.contains("SocketAddress.unix(path:)") == true)
  }

  @Test(
    "the description of a HostPort can be parsed again",
    arguments: ["127.0.0.1:9999", "[::1]:9999", "localhost:http", ":80", "[fe80::1%eth0]:80"])
  func description(text: String) throws {
    let parts = try HostPort(text)
    #expect(parts.description == text)
    #expect(try HostPort(parts.description) == parts)
  }

  // MARK: Resolving

  @Test("a numeric address resolves to itself")
  func numeric() throws {
    #expect(try HostPort("192.0.2.1:80").resolve() == [.ipv4(IPv4Address(rawValue: 0xc000_0201), port: 80)])
    #expect(
      try HostPort("[2001:db8::7]:80").resolve()
        == [.ipv6(IPv6Address(high: 0x2001_0db8 << 32, low: 7), port: 80)])
  }

  @Test("an empty host resolves to loopback for clients, and to every address for listeners")
  func emptyHost() throws {
    let loopback: [SocketAddress] = [.ipv4(.loopback, port: 80), .ipv6(.loopback, port: 80)]
    let any: [SocketAddress] = [.ipv4(.any, port: 80), .ipv6(.any, port: 80)]
    for text in [":80", "*:80"] {
      let connecting = try HostPort(text).resolve(for: .connecting)
      let listening = try HostPort(text).resolve(for: .listening)
      #expect(!connecting.isEmpty && connecting.allSatisfy(loopback.contains))
      #expect(!listening.isEmpty && listening.allSatisfy(any.contains))
    }
  }

  @Test("no address is resolved twice, and localhost is this machine")
  func localhost() throws {
    let addresses = try HostPort("localhost:80").resolve()
    #expect(!addresses.isEmpty)
    #expect(Set(addresses).count == addresses.count)
    #expect(Set(addresses).isSubset(of: [.ipv4(.loopback, port: 80), .ipv6(.loopback, port: 80)]))
  }

  @Test(
    "an unresolvable host is an error with the resolver's message",
    // Names that no resolver can look up at a server.
    arguments: [
      ("a..b:80", "the host's name"), ("127.0.0.1:no-such-service", "'no-such-service'"),
      ("\(String(repeating: "x", count: 300)):80", "the host's name"),
    ])
  func unresolved(text: String, toCheck: String) throws {
    let error = #expect(throws: MultiplexError.self) { try HostPort(text).resolve() }
    #expect(error?.reason == .unknownAddress)
    #expect(error?.call == "getaddrinfo")
    #expect(error?.subject == "'\(text)'")
    #expect(error?.advice?.contains(toCheck) == true)
    #expect(error?.description.contains("no such host or service is known") == true)
  }

  @Test("a name that can't be looked up now is distinguished from one that has no address")
  func temporaryFailure() throws {
    let host = try HostPort("example.org:80")
    let error = host.unresolved(EAI_AGAIN)
    #expect(error.reason == .system)
    #expect(error.errno == .resourceTemporarilyUnavailable)
    #expect(error.advice?.contains("again later") == true)
    #expect(host.unresolved(EAI_NONAME).reason == .unknownAddress)
    #expect(host.unresolved(EAI_MEMORY).errno == .noMemory)
  }
}
