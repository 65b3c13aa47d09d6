import Multiplex

extension SocketAddress {
  /// The address as an argument of the tool's commands: a Unix socket's path can't be mistaken for a host.
  var argument: String {
    switch self {
    case .ipv4, .ipv6: description
    // Anything with a slash is a path, unless it begins with the prefix.
    case .unix(let path):
      path.contains("/") && !path.hasPrefix(Self.unixPrefix) ? path : Self.unixPrefix + path
    }
  }
}
