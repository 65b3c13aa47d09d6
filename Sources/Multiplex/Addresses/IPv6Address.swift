internal import CMultiplex

/// An IPv6 address, without a port or a scope.
public struct IPv6Address: Hashable, Sendable {
  /// The first half, most significant byte first.
  public let high: UInt64
  /// The second half.
  public let low: UInt64

  /// Makes an address from its two halves: `::1` is (0, 1).
  public init(high: UInt64, low: UInt64) {
    self.high = high
    self.low = low
  }

  /// Every address of this machine: `::`.
  public static let any = IPv6Address(high: 0, low: 0)
  /// This machine only: `::1`.
  public static let loopback = IPv6Address(high: 0, low: 1)
}

extension IPv6Address: LosslessStringConvertible {
  /// Parses the usual forms ("::1", "2001:db8::7"), without brackets or a scope; nil for anything else.
  ///
  /// Corresponding C function: `inet_pton`.
  public init?(_ description: String) {
    var address = in6_addr()
    // C would read only up to the first zero byte.
    guard !description.utf8.contains(0) else { return nil }
    guard unsafe inet_pton(AF_INET6, description, &address) == 1 else { return nil }
    self.init(address)
  }

  /// The shortest form, as RFC 5952 recommends.
  ///
  /// Corresponding C function: `inet_ntop`.
  public var description: String {
    var address = in6Address
    var text = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
    guard unsafe inet_ntop(AF_INET6, &address, &text, socklen_t(text.count)) != nil else { return "::" }
    return String(decoding: text.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
  }
}

extension IPv6Address {
  init(_ address: in6_addr) {
    // The sixteen bytes of the address, in network order.
    let halves = unsafe unsafeBitCast(address, to: (UInt64, UInt64).self)
    self.init(high: UInt64(bigEndian: halves.0), low: UInt64(bigEndian: halves.1))
  }

  var in6Address: in6_addr {
    unsafe unsafeBitCast((high.bigEndian, low.bigEndian), to: in6_addr.self)
  }
}
