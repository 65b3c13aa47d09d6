import ArgumentParser
import Multiplex

/// An address where a command listens or connects: a host and port, or the path of a Unix socket, which has the prefix
/// "unix:" or contains a slash.
enum Endpoint {
  case network(HostPort)
  case unix(path: String)

  /// The syntax of an endpoint, for help texts.
  static let grammar = "HOST:PORT, or the path of a Unix socket (unix:PATH, or any text with a slash)"
  /// The default address for listening and connecting.
  static let usual = "127.0.0.1:9999"

  /// Parses an endpoint.
  ///
  /// - Throws: A message that says what is wrong with the text, and how to write it.
  init(_ text: String, for purpose: HostPort.Purpose) throws(ValidationError) {
    if text.hasPrefix(SocketAddress.unixPrefix) {
      try self.init(path: String(text.dropFirst(SocketAddress.unixPrefix.count)))
    } else if text.contains("/") {
      try self.init(path: text)
    } else {
      self = .network(try Self.host(text))
      if purpose == .connecting { try requirePort() }
    }
  }

  /// Makes the endpoint of a Unix socket.
  ///
  /// - Throws: A message that says why no socket can have this path.
  init(path: String) throws(ValidationError) {
    // The kernel would make up a name.
    guard !path.isEmpty else { throw ValidationError("the path of a Unix socket can't be empty") }
    guard path.utf8.count <= SocketAddress.maximumPathLength else {
      throw ValidationError("the path of a Unix socket has at most \(SocketAddress.maximumPathLength) bytes")
    }
    self = .unix(path: path)
  }

  /// Resolves the endpoint to at least one address.
  func addresses(for purpose: HostPort.Purpose) throws(MultiplexError) -> [SocketAddress] {
    switch self {
    case .network(let host): try host.resolve(for: purpose)
    case .unix(let path): [.unix(path: path)]
    }
  }
}

extension Endpoint: CustomStringConvertible {
  var description: String {
    switch self {
    case .network(let host): host.description
    case .unix(let path): SocketAddress.unix(path: path).argument
    }
  }
}

extension Endpoint {
  /// Parses the address of something that a browser connects to.
  ///
  /// - Throws: A message that says what is wrong with the text, and how to write it.
  static func web(_ text: String) throws(ValidationError) -> HostPort {
    guard text.contains(":"), !text.contains("/"), !text.hasPrefix(SocketAddress.unixPrefix) else {
      throw ValidationError("write HOST:PORT; a browser can't connect to a Unix socket")
    }
    return try host(text)
  }

  private static func host(_ text: String) throws(ValidationError) -> HostPort {
    let host: HostPort
    do throws(MultiplexError) {
      host = try HostPort(text)
    } catch {
      let advice = error.advice ?? error.description
      // Without a colon, it may have been meant as a path.
      throw ValidationError(text.contains(":") ? advice : "write \(grammar)")
    }
    try requireService(host.port)
    return host
  }

  /// Checks that the service is known. That takes only a file; looking up the host would take a while.
  private static func requireService(_ port: String) throws(ValidationError) {
    guard UInt16(port) == nil else { return }
    do throws(MultiplexError) {
      _ = try HostPort(":\(port)").resolve(for: .listening)
    } catch {
      throw ValidationError("unknown service '\(port)'; give the port's number")
    }
  }

  private func requirePort() throws(ValidationError) {
    guard case .network(let host) = self, UInt16(host.port) == 0 else { return }
    throw ValidationError("can't connect to port 0")
  }
}
