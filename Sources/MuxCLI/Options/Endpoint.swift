import ArgumentParser
import Multiplex

/// Where a command listens or connects: a host and port, or the path of a Unix socket, written with "unix:" before it or
/// a slash in it.
enum Endpoint {
  case network(HostPort)
  case unix(path: String)

  /// How one is written, for help texts.
  static let grammar = "HOST:PORT, or the path of a Unix socket (unix:PATH, or any text with a slash)"
  /// Where the tool serves, and connects, unless it is told otherwise.
  static let usual = "127.0.0.1:9999"

  /// - Throws: What is wrong with the text, and how to write it.
  init(_ text: String, for purpose: HostPort.Purpose) throws(ValidationError) {
    if text.hasPrefix("unix:") {
      try self.init(path: String(text.dropFirst("unix:".count)))
    } else if text.contains("/") {
      try self.init(path: text)
    } else {
      self = .network(try Self.host(text))
      if purpose == .connecting { try requirePort() }
    }
  }

  /// - Throws: Why there can be no socket with that path.
  init(path: String) throws(ValidationError) {
    // The kernel would make a name up.
    guard !path.isEmpty else { throw ValidationError("the path of a Unix socket can't be empty") }
    guard path.utf8.count <= SocketAddress.maximumPathLength else {
      throw ValidationError("the path of a Unix socket has at most \(SocketAddress.maximumPathLength) bytes")
    }
    self = .unix(path: path)
  }

  /// The addresses behind it, at least one.
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
  private static func host(_ text: String) throws(ValidationError) -> HostPort {
    let host: HostPort
    do throws(MultiplexError) {
      host = try HostPort(text)
    } catch {
      let advice = error.advice ?? error.description
      // Without a colon it may have been meant as a path.
      throw ValidationError(text.contains(":") ? advice : "write \(grammar)")
    }
    try requireService(host.port)
    return host
  }

  /// Whether the host is known takes a while to find out. Services are in a file.
  private static func requireService(_ port: String) throws(ValidationError) {
    guard UInt16(port) == nil else { return }
    do throws(MultiplexError) {
      _ = try HostPort(":\(port)").resolve(for: .listening)
    } catch {
      throw ValidationError("no service is called '\(port)'; write the number of its port")
    }
  }

  private func requirePort() throws(ValidationError) {
    guard case .network(let host) = self, UInt16(host.port) == 0 else { return }
    throw ValidationError("nobody can be connected to on port 0")
  }
}
