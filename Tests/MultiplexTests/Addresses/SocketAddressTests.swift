import CMultiplex
import Multiplex
import SystemPackage
import TestSupport
import Testing

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

@Suite("SocketAddress") struct SocketAddressTests {
  @Test(
    "numeric addresses are parsed and formatted",
    arguments: [
      ("127.0.0.1:9999", SocketAddress.ipv4(.loopback, port: 9999)),
      ("0.0.0.0:0", .ipv4(.any, port: 0)),
      ("255.255.255.255:65535", .ipv4(IPv4Address(rawValue: .max), port: 65535)),
      ("[::1]:9999", .ipv6(.loopback, port: 9999)),
      ("[::]:0", .ipv6(.any, port: 0)),
      ("[2001:db8::7]:80", .ipv6(IPv6Address(high: 0x2001_0db8 << 32, low: 7), port: 80)),
      ("[fe80::1%3]:80", .ipv6(IPv6Address(high: 0xfe80 << 48, low: 1), port: 80, scope: 3)),
      ("[fe80::1%4294967295]:80", .ipv6(IPv6Address(high: 0xfe80 << 48, low: 1), port: 80, scope: .max)),
    ])
  func readAndWritten(text: String, address: SocketAddress) throws {
    #expect(try SocketAddress(text) == address)
    #expect(address.description == text)
  }

  @Test(
    "a string that isn't a numeric address is rejected",
    arguments: [
      "localhost:80", "127.0.0.1:http", ":80", "*:80", "127.0.0.1", "127.1:80", "1.2.3:80", "1.2.3.4.5:80",
      "1.2.3.256:80", "01.2.3.4:80", "1.2.3.0x4:80", "0x7f000001:80", "1.2.3.:80", " 1.2.3.4:80", "1.2.3.4 :80",
      "-1.2.3.4:80", "[::1%eth0]:80", "[::1%]:80", "[::1%+3]:80", "[::1%4294967296]:80", "[1::2::3]:80",
      "[1:2:3:4:5:6:7]:80", "[1:2:3:4:5:6:7:8:9]:80", "[12345::]:80", "[:::]:80", "[1:2:3:4:5:6:7:]:80",
    ])
  func refused(text: String) throws {
    let error = #expect(throws: MultiplexError.self) { try SocketAddress(text) }
    #expect(error?.reason == .unknownAddress)
    #expect(error?.subject == "'\(text)'")
    #expect(error?.advice != nil)
  }

  @Test("the path of a Unix socket is written with a prefix")
  func unixText() throws {
    #expect(try SocketAddress("unix:/run/x.sock") == .unix(path: "/run/x.sock"))
    #expect(try SocketAddress("unix:80") == .unix(path: "80"))
    let error = #expect(throws: MultiplexError.self) { try SocketAddress("unix:") }
    #expect(error?.reason == .unknownAddress)
  }

  @Test("another port can be put in the place of an address's own")
  func port() throws {
    #expect(try SocketAddress("127.0.0.1:1").with(port: 2) == SocketAddress("127.0.0.1:2"))
    #expect(try SocketAddress("[fe80::1%3]:1").with(port: 2) == SocketAddress("[fe80::1%3]:2"))
    #expect(SocketAddress.unix(path: "x").with(port: 2) == .unix(path: "x"))
  }

  @Test("a string with a zero byte isn't an address, though C would read the part before it")
  func zeroByte() {
    #expect(IPv4Address("127.0.0.1\0") == nil)
    #expect(IPv4Address("127.0.0.1\0.example") == nil)
    #expect(IPv6Address("::1\0") == nil)
  }

  @Test("any address can be parsed from its description", arguments: 1...50 as ClosedRange<UInt64>)
  func roundTrip(seed: UInt64) throws {
    var random = SeededGenerator(seed: seed)
    for _ in 0..<20 {
      let port = UInt16.random(in: 0 ... .max, using: &random)
      let v4 = SocketAddress.ipv4(IPv4Address(rawValue: random.next32()), port: port)
      #expect(try SocketAddress(v4.description) == v4)
      let scope = Bool.random(using: &random) ? 0 : random.next32()
      let v6 = SocketAddress.ipv6(random.nextIPv6Address(), port: port, scope: scope)
      #expect(try SocketAddress(v6.description) == v6)
    }
  }

  @Test("any address survives conversion to a sockaddr and back", arguments: 1...50 as ClosedRange<UInt64>)
  func throughC(seed: UInt64) throws {
    var random = SeededGenerator(seed: seed)
    let name = String((0..<Int.random(in: 1...SocketAddress.maximumPathLength - 1, using: &random)).map { _ in "x" })
    let addresses: [SocketAddress] = [
      .ipv4(IPv4Address(rawValue: random.next32()), port: UInt16(truncatingIfNeeded: random.next())),
      .ipv6(random.nextIPv6Address(), port: UInt16(truncatingIfNeeded: random.next()), scope: random.next32()),
      .unix(path: ""), .unix(path: name), .unix(path: "\0" + name), .unix(path: "\0a\0b"), .unix(path: "münchen"),
    ]
    for address in addresses {
      let copy = unsafe address.withSockaddr { (raw, length) in unsafe SocketAddress(raw, length: length) }
      #expect(copy == address)
    }
  }

  @Test("a sockaddr holds the port and the address in network byte order")
  func networkOrder() throws {
    let address = SocketAddress.ipv4(try #require(IPv4Address("1.2.3.4")), port: 0x1234)
    let bytes = unsafe address.withSockaddr { (raw, length) in
      unsafe Array(UnsafeRawBufferPointer(start: raw, count: Int(length)))
    }
    #expect(Array(bytes[2..<8]) == [0x12, 0x34, 1, 2, 3, 4])
  }

  @Test("a sockaddr that is truncated or of another family isn't an address")
  func foreign() throws {
    let address = SocketAddress.ipv6(.loopback, port: 1)
    for cut: socklen_t in [0, 1, 2, 16, 27] {
      let copy = unsafe address.withSockaddr { (raw, _) in unsafe SocketAddress(raw, length: cut) }
      #expect(copy == nil)
    }
    var other = sockaddr()
    other.sa_family = sa_family_t(AF_NETLINK)
    #expect(unsafe SocketAddress(&other, length: 16) == nil)
  }

  @Test("Unix addresses have no port, and the descriptions of abstract and unnamed ones are distinguishable")
  func unix() {
    #expect(SocketAddress.unix(path: "/tmp/x").port == nil)
    #expect(SocketAddress.unix(path: "/tmp/x").description == "/tmp/x")
    #expect(SocketAddress.unix(path: "\0x").description == "@x")
    #expect(SocketAddress.unix(path: "").description == "unnamed")
    #expect(SocketAddress.ipv4(.any, port: 7).port == 7)
    #expect(SocketAddress.ipv6(.any, port: 7).port == 7)
  }

  @Test(
    "Python's ipaddress parses the same addresses from random strings, valid and not, and formats them the same way")
  func agreesWithPython() throws {
    var random = SeededGenerator(seed: 11)
    let texts = (0..<2000).map { _ in random.nextAddressText() }
    let program = """
      import ipaddress, sys
      for line in sys.stdin.read().split("\\n")[:-1]:
          try:
              a = ipaddress.ip_address(line)
              print(a.version, int(a), a)
          except ValueError:
              print("none")
      """
    let printed: String
    do {
      printed = try Python.run(program, input: texts.map { $0 + "\n" }.joined())
    } catch is Python.Missing {
      return
    }
    let answers = printed.split(separator: "\n")
    try #require(answers.count == texts.count)
    var goodTexts = 0
    for (text, answer) in zip(texts, answers) {
      let ours = Self.describe(text)
      // Some write the last 32 bits of mapped and compatible addresses with dots, and others don't.
      let isEmbedded = IPv6Address(text).map { $0.high == 0 && ($0.low >> 32 == 0 || $0.low >> 32 == 0xffff) } ?? false
      let count = isEmbedded ? 2 : 3
      #expect(ours.split(separator: " ").prefix(count) == answer.split(separator: " ").prefix(count), "\(text)")
      if answer != "none" { goodTexts += 1 }
    }
    #expect(goodTexts > 500 && goodTexts < 1900)
  }

  /// The version, the number and the text of an address, as the program above prints them.
  private static func describe(_ text: String) -> String {
    if let address = IPv4Address(text) { return "4 \(address.rawValue) \(address)" }
    if let address = IPv6Address(text) {
      return "6 \(UInt128(address.high) << 64 | UInt128(address.low)) \(address)"
    }
    return "none"
  }
}

extension SeededGenerator {
  fileprivate mutating func next32() -> UInt32 { UInt32(truncatingIfNeeded: next()) }

  /// An address with runs of zeros, which make formatting difficult.
  fileprivate mutating func nextIPv6Address() -> IPv6Address {
    var halves: [UInt64] = [0, 0]
    for index in 0..<8 where Bool.random(using: &self) {
      halves[index / 4] |= UInt64.random(in: 0...0xffff, using: &self) << UInt64(16 * (index % 4))
    }
    return IPv6Address(high: halves[0], low: halves[1])
  }

  /// A string that is an address, or nearly.
  fileprivate mutating func nextAddressText() -> String {
    let isIPv4 = Bool.random(using: &self)
    var text: String
    if isIPv4 {
      text = (0..<4).map { _ in "\(UInt16.random(in: 0...300, using: &self) % 280)" }.joined(separator: ".")
    } else {
      text = nextIPv6Address().description
    }
    // One time in four something is inserted or removed.
    switch Int.random(in: 0..<8, using: &self) {
    case 0:
      let additions = [":", "::", ".", "0", "f", "g", " ", "-", "1.2.3.4"]
      let place = text.indices.randomElement(using: &self) ?? text.startIndex
      text.insert(contentsOf: additions.randomElement(using: &self) ?? "", at: place)
    case 1:
      if let place = text.indices.randomElement(using: &self) { text.remove(at: place) }
    default:
      break
    }
    return text
  }
}
