import Multiplex

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

extension SocketAddress {
  /// Whether connecting to this address reaches the listener at another.
  ///
  /// - Parameter place: An address of this machine on which a socket listens.
  func leads(to place: SocketAddress) -> Bool {
    if case .unix(let path) = self, case .unix(let other) = place { return Self.isSameFile(path, other) }
    let target = unmapped
    guard port == place.port else { return false }
    switch place {
    case .ipv4(.any, _): return target.isIPv4 && target.isOwn
    case .ipv6(.any, _, _): return !target.isIPv4 && target.isOwn
    default: return target.connected == place
    }
  }

  private var isIPv4: Bool { if case .ipv4 = self { true } else { false } }

  /// The address, as IPv4 if it is an IPv4-mapped IPv6 address ("::ffff:127.0.0.1").
  private var unmapped: SocketAddress {
    guard case .ipv6(let address, let port, _) = self else { return self }
    guard address.high == 0, address.low >> 32 == 0xffff else { return self }
    return .ipv4(IPv4Address(rawValue: UInt32(truncatingIfNeeded: address.low)), port: port)
  }

  /// The address that connecting leads to: the wildcard address stands for this machine.
  private var connected: SocketAddress {
    switch self {
    case .ipv4(.any, let port): .ipv4(.loopback, port: port)
    case .ipv6(.any, let port, _): .ipv6(.loopback, port: port)
    default: self
    }
  }

  /// Whether the address is one of this machine: a socket can be bound only to those.
  private var isOwn: Bool {
    let address: SocketAddress
    switch self {
    case .ipv4(let host, _): address = .ipv4(host, port: 0)
    case .ipv6(let host, _, let scope): address = .ipv6(host, port: 0, scope: scope)
    case .unix: return false
    }
    return (try? UDPSocket.bound(to: address)) != nil
  }

  /// Whether both paths lead to the same file, possibly through links.
  private static func isSameFile(_ path: String, _ other: String) -> Bool {
    guard let first = try? FileStatus.of(path), let second = try? FileStatus.of(other) else { return false }
    return first.st_dev == second.st_dev && first.st_ino == second.st_ino
  }
}
