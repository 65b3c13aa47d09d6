internal import CMultiplex

/// An IPv4 address, without a port.
public struct IPv4Address: Hashable, Sendable {
  /// The address as a number: 127.0.0.1 is 0x7f000001.
  public let rawValue: UInt32

  /// Makes an address from its number.
  public init(rawValue: UInt32) {
    self.rawValue = rawValue
  }

  /// Every address of this machine: 0.0.0.0.
  public static let any = IPv4Address(rawValue: 0)
  /// This machine only: 127.0.0.1.
  public static let loopback = IPv4Address(rawValue: 0x7f00_0001)
}

extension IPv4Address: LosslessStringConvertible {
  /// Parses four decimal numbers separated by dots; nil for anything else.
  ///
  /// Corresponding C function: `inet_pton`.
  public init?(_ description: String) {
    var address = in_addr()
    // C would read only up to the first zero byte.
    guard !description.utf8.contains(0) else { return nil }
    guard unsafe inet_pton(AF_INET, description, &address) == 1 else { return nil }
    self.init(rawValue: UInt32(bigEndian: address.s_addr))
  }

  /// Four decimal numbers separated by dots.
  public var description: String {
    [24, 16, 8, 0].map { "\(rawValue >> UInt32($0) & 0xff)" }.joined(separator: ".")
  }
}
