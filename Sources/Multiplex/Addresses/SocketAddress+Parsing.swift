internal import SystemPackage

extension SocketAddress {
  /// Parses a numeric address with a port, "127.0.0.1:9999", "[::1]:9999", "[fe80::1%2]:9999"; or the path of a Unix
  /// socket, "unix:/run/server.sock". For names, including those of interfaces, use ``HostPort/resolve(for:)``.
  ///
  /// - Parameter text: The address and the port, or the prefix and the path.
  /// - Throws: ``MultiplexError/Reason/unknownAddress`` for anything else.
  public init(_ text: String) throws(MultiplexError) {
    if let address = try Self.unix(in: text) {
      self = address
      return
    }
    let parts = try HostPort(text)
    if let port = UInt16(parts.port) {
      if let address = IPv4Address(parts.host) {
        self = .ipv4(address, port: port)
        return
      }
      if let (address, scope) = Self.scoped(parts.host) {
        self = .ipv6(address, port: port, scope: scope)
        return
      }
    }
    throw MultiplexError(
      call: "address", subject: "'\(text)'", reason: .unknownAddress, errno: .invalidArgument,
      advice: "write a numeric address and port, such as 127.0.0.1:9999 or [::1]:9999; use HostPort to resolve names")
  }

  /// The address of a Unix socket written as "unix:PATH"; nil for any other text.
  ///
  /// - Throws: ``MultiplexError/Reason/unknownAddress`` if the path is empty: the kernel would make up a name.
  package static func unix(in text: String) throws(MultiplexError) -> SocketAddress? {
    guard text.hasPrefix(unixPrefix) else { return nil }
    guard text.utf8.count > unixPrefix.utf8.count else {
      throw MultiplexError(
        call: "address", subject: "'\(text)'", reason: .unknownAddress, errno: .invalidArgument,
        advice: "write the path of a Unix socket after the prefix, such as unix:/run/server.sock")
    }
    return .unix(path: String(text.dropFirst(unixPrefix.count)))
  }

  /// What the path of a Unix socket begins with where it could be taken for a host.
  package static let unixPrefix = "unix:"

  /// An IPv6 address and its scope, which follows a percent sign and is 0 by default.
  private static func scoped(_ text: String) -> (IPv6Address, scope: UInt32)? {
    guard let percent = text.firstIndex(of: "%") else { return IPv6Address(text).map { ($0, 0) } }
    guard let address = IPv6Address(String(text[..<percent])) else { return nil }
    let scope = text[text.index(after: percent)...]
    // UInt32 itself would accept a sign.
    guard scope.utf8.allSatisfy((UInt8(ascii: "0")...UInt8(ascii: "9")).contains) else { return nil }
    return UInt32(scope).map { (address, $0) }
  }
}
