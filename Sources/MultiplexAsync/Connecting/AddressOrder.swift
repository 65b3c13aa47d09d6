internal import Multiplex

/// The order in which the addresses of a host are tried.
enum AddressOrder {
  /// Keeps the order of preference within each family, and alternates between the families, beginning with the
  /// preferred one (RFC 8305, section 4): if one family doesn't work at all, the other gets its turn soon.
  static func alternating(_ addresses: [SocketAddress]) -> [SocketAddress] {
    guard let first = addresses.first else { return [] }
    var preferred = addresses.filter { $0.isIPv6 == first.isIPv6 }[...]
    var other = addresses.filter { $0.isIPv6 != first.isIPv6 }[...]
    var result: [SocketAddress] = []
    while result.count < addresses.count {
      if let address = preferred.popFirst() { result.append(address) }
      if let address = other.popFirst() { result.append(address) }
    }
    return result
  }
}

extension SocketAddress {
  fileprivate var isIPv6: Bool {
    if case .ipv6 = self { true } else { false }
  }
}
