import Multiplex

extension SocketAddress {
  /// As the tool's commands take it: of a Unix socket, what can't be mistaken for a host.
  var argument: String {
    switch self {
    case .ipv4, .ipv6: description
    // With a slash it is one, whatever else is in it, unless it begins like another way to write one.
    case .unix(let path): path.contains("/") && !path.hasPrefix("unix:") ? path : "unix:\(path)"
    }
  }
}
