internal import SystemPackage

/// A host and a port as people write them: "127.0.0.1:9999", "[::1]:9999", "localhost:http".
///
/// The host may be an IP address or a name. If it is empty, or "*", it means every address of this machine for a socket
/// that listens, and this machine itself for one that connects.
public struct HostPort: Hashable, Sendable {
  /// The IP address or name, without brackets; empty for any.
  public let host: String
  /// The port's number, or the name of a service ("http").
  public let port: String

  /// Splits a text at its last colon.
  ///
  /// - Parameter text: A host and a port, such as "localhost:http".
  /// - Throws: ``MultiplexError/Reason/unknownAddress`` if there is no port, its number is above 65535, an IPv6 address
  ///   has no brackets, or anything else has brackets.
  public init(_ text: String) throws(MultiplexError) {
    // The resolver would read only up to the first zero byte.
    guard !text.utf8.contains(0) else { throw Self.malformed(text, "a host can't contain a zero byte") }
    guard !text.contains("/") else {
      throw Self.malformed(text, "write HOST:PORT; for the path of a Unix socket, use SocketAddress.unix(path:)")
    }
    guard let colon = text.lastIndex(of: ":"), text.last != "]" else {
      throw Self.malformed(text, "write HOST:PORT, such as 127.0.0.1:9999 or [::1]:9999")
    }
    port = String(text[text.index(after: colon)...])
    guard Self.isPort(port) else {
      throw Self.malformed(text, "the port is a number from 0 to 65535 or the name of a service")
    }
    let name = text[..<colon]
    if name.hasPrefix("["), name.hasSuffix("]") {
      host = String(name.dropFirst().dropLast())
      // The scope, if any, may be the name of an interface.
      guard IPv6Address(String(host.prefix { $0 != "%" })) != nil else {
        throw Self.malformed(text, "brackets are for IPv6 addresses: [::1]:9999")
      }
    } else if name.contains("[") || name.contains("]") {
      throw Self.malformed(text, "brackets are for IPv6 addresses: [::1]:9999")
    } else if name.contains(":") {
      throw Self.malformed(text, "write an IPv6 address in brackets: [::1]:9999")
    } else {
      host = name == "*" ? "" : String(name)
    }
  }

  /// Joins a host and a port number.
  ///
  /// - Parameters:
  ///   - host: An IP address or a name, without brackets; empty for any.
  ///   - port: The number; 0 lets the kernel choose one for a socket that listens.
  /// - Throws: ``MultiplexError/Reason/unknownAddress`` if the host can't be a name: it contains a slash, a bracket or
  ///   a zero byte, or a colon without being an IPv6 address.
  public init(host: String, port: UInt16) throws(MultiplexError) {
    try self.init(host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)")
  }

  private static func isPort(_ text: String) -> Bool {
    guard let first = text.first else { return false }
    return text.allSatisfy { $0.isASCII && $0.isNumber } ? UInt16(text) != nil : first.isASCII && first.isLetter
  }

  private static func malformed(_ text: String, _ advice: String) -> MultiplexError {
    MultiplexError(
      call: "address", subject: "'\(text)'", reason: .unknownAddress, errno: .invalidArgument, advice: advice)
  }
}

extension HostPort: CustomStringConvertible {
  /// The text, with brackets if the host is an IPv6 address.
  public var description: String {
    host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
  }
}
