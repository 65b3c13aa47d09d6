/// The address of a socket: an IP address with a port, or the path of a Unix socket.
public enum SocketAddress: Hashable, Sendable {
  /// An IPv4 address and a port; port 0 lets the kernel choose one.
  case ipv4(IPv4Address, port: UInt16)
  /// An IPv6 address and a port; the scope is the interface of a link-local address, and 0 for others.
  case ipv6(IPv6Address, port: UInt16, scope: UInt32 = 0)
  /// The path of a Unix socket, at most ``maximumPathLength`` bytes. An empty path means a socket without a name; a
  /// path that begins with a zero byte is in Linux's abstract namespace.
  case unix(path: String)

  /// The longest path of a Unix socket, in bytes.
  public static let maximumPathLength = 107

  /// The port; nil for a Unix socket.
  public var port: UInt16? {
    switch self {
    case .ipv4(_, let port), .ipv6(_, let port, _): port
    case .unix: nil
    }
  }

  /// The same host with another port; the path of a Unix socket stays as it is.
  public func with(port: UInt16) -> SocketAddress {
    switch self {
    case .ipv4(let address, _): .ipv4(address, port: port)
    case .ipv6(let address, _, let scope): .ipv6(address, port: port, scope: scope)
    case .unix: self
    }
  }

  package var isUnix: Bool {
    if case .unix = self { true } else { false }
  }
}

extension SocketAddress: CustomStringConvertible {
  /// For IP addresses, the form that ``init(_:)`` parses: "127.0.0.1:9999", "[::1]:9999", "[fe80::1%2]:9999". For Unix
  /// sockets the path, with "@" for the first zero byte of an abstract one, or "unnamed".
  public var description: String {
    switch self {
    case .ipv4(let address, let port): "\(address):\(port)"
    case .ipv6(let address, let port, 0): "[\(address)]:\(port)"
    case .ipv6(let address, let port, let scope): "[\(address)%\(scope)]:\(port)"
    case .unix(let path) where path.isEmpty: "unnamed"
    case .unix(let path) where path.hasPrefix("\0"): "@\(path.dropFirst())"
    case .unix(let path): path
    }
  }
}
