internal import SystemPackage

extension SocketAddress {
  /// Reads a numeric address with a port: "127.0.0.1:9999", "[::1]:9999", "[fe80::1%2]:9999". Names, those of
  /// interfaces included, are for ``HostPort/resolve(for:)``.
  ///
  /// - Throws: ``MultiplexError/Reason/unknownAddress`` for anything else.
  public init(_ text: String) throws(MultiplexError) {
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
      advice: "write a numeric address and port, such as 127.0.0.1:9999 or [::1]:9999; a HostPort has a name looked up")
  }

  /// An IPv6 address and its scope, which is 0 unless it is written behind a percent sign.
  private static func scoped(_ text: String) -> (IPv6Address, scope: UInt32)? {
    guard let percent = text.firstIndex(of: "%") else { return IPv6Address(text).map { ($0, 0) } }
    guard let address = IPv6Address(String(text[..<percent])) else { return nil }
    let scope = text[text.index(after: percent)...]
    // Unlike UInt32's own reading, no sign.
    guard scope.utf8.allSatisfy((UInt8(ascii: "0")...UInt8(ascii: "9")).contains) else { return nil }
    return UInt32(scope).map { (address, $0) }
  }
}
