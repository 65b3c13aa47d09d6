import Multiplex

/// Where a command listens or connects: a host and port, or the path of a Unix socket, written with "unix:" before it or
/// a slash in it.
enum Endpoint {
  case network(HostPort)
  case unix(path: String)

  /// - Throws: What is wrong with the text.
  init(_ text: String) throws(MultiplexError) {
    if text.hasPrefix("unix:") {
      self = .unix(path: String(text.dropFirst("unix:".count)))
    } else if text.contains("/") {
      self = .unix(path: text)
    } else {
      self = .network(try HostPort(text))
    }
  }

  /// The addresses behind it, at least one.
  func addresses(for purpose: HostPort.Purpose) throws(MultiplexError) -> [SocketAddress] {
    switch self {
    case .network(let host): try host.resolve(for: purpose)
    case .unix(let path): [.unix(path: path)]
    }
  }
}
