package import CMultiplex
internal import SystemPackage

/// Conversions to and from the C library's `sockaddr`, of which each family has its own variant.
extension SocketAddress {
  /// The address family: `AF_INET`, `AF_INET6` or `AF_UNIX`.
  package var family: Int32 {
    switch self {
    case .ipv4: AF_INET
    case .ipv6: AF_INET6
    case .unix: AF_UNIX
    }
  }

  /// Passes the address in its C form, valid for the duration of the call.
  package func withSockaddr<Result, Failure: Error>(
    _ body: (UnsafePointer<sockaddr>, socklen_t) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    switch self {
    case .ipv4(let address, let port):
      var raw = sockaddr_in()
      raw.sin_family = sa_family_t(AF_INET)
      raw.sin_port = port.bigEndian
      raw.sin_addr.s_addr = address.rawValue.bigEndian
      return try unsafe Self.withSockaddr(&raw, MemoryLayout<sockaddr_in>.size, body)
    case .ipv6(let address, let port, let scope):
      var raw = sockaddr_in6()
      raw.sin6_family = sa_family_t(AF_INET6)
      raw.sin6_port = port.bigEndian
      raw.sin6_addr = address.in6Address
      raw.sin6_scope_id = scope
      return try unsafe Self.withSockaddr(&raw, MemoryLayout<sockaddr_in6>.size, body)
    case .unix(let path):
      var raw = sockaddr_un()
      raw.sun_family = sa_family_t(AF_UNIX)
      let bytes = path.utf8.prefix(Self.maximumPathLength)
      unsafe withUnsafeMutableBytes(of: &raw.sun_path) { unsafe $0.copyBytes(from: bytes) }
      // The length ends an abstract name; a zero byte ends a path.
      let isAbstract = bytes.first == 0
      let length = Self.pathOffset + bytes.count + (bytes.isEmpty || isAbstract ? 0 : 1)
      return try unsafe Self.withSockaddr(&raw, length, body)
    }
  }

  /// Passes the bytes of the address in its C form (a `sockaddr_in`, `sockaddr_in6` or `sockaddr_un`), for system calls
  /// of your own.
  ///
  /// A path longer than ``maximumPathLength`` is truncated, and then names a different file.
  ///
  /// - Parameter body: Gets the bytes, which are valid for the duration of the call.
  /// - Returns: What the body returns.
  @unsafe
  public func withSockaddrBytes<Result, Failure: Error>(
    _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    try unsafe withSockaddr { (raw, length) throws(Failure) in
      // Every variant has this many bytes.
      try unsafe body(UnsafeRawBufferPointer(start: raw, count: Int(length)))
    }
  }

  /// Reads an address that the kernel has written; nil for a family that isn't supported.
  package init?(_ raw: UnsafePointer<sockaddr>, length: socklen_t) {
    let bytes = unsafe UnsafeRawBufferPointer(start: raw, count: Int(length))
    // The family comes first in every variant; the length says how much of the variant there is.
    guard bytes.count >= MemoryLayout<sa_family_t>.size else { return nil }
    switch unsafe Int32(bytes.loadUnaligned(as: sa_family_t.self)) {
    case AF_INET where bytes.count >= MemoryLayout<sockaddr_in>.size:
      let raw = unsafe bytes.loadUnaligned(as: sockaddr_in.self)
      self = .ipv4(IPv4Address(rawValue: UInt32(bigEndian: raw.sin_addr.s_addr)), port: UInt16(bigEndian: raw.sin_port))
    case AF_INET6 where bytes.count >= MemoryLayout<sockaddr_in6>.size:
      let raw = unsafe bytes.loadUnaligned(as: sockaddr_in6.self)
      self = .ipv6(IPv6Address(raw.sin6_addr), port: UInt16(bigEndian: raw.sin6_port), scope: raw.sin6_scope_id)
    case AF_UNIX:
      let path = unsafe bytes.dropFirst(Self.pathOffset)
      let isAbstract = unsafe path.first == 0
      let name = unsafe isAbstract ? path[...] : path.prefix { $0 != 0 }
      self = unsafe .unix(path: String(decoding: name, as: UTF8.self))
    default:
      return nil
    }
  }

  /// The address that a system call writes into the buffer passed to it; nil if it writes none.
  package static func written<Failure: Error>(
    by body: (UnsafeMutablePointer<sockaddr>, UnsafeMutablePointer<socklen_t>) throws(Failure) -> Void
  ) throws(Failure) -> SocketAddress? {
    var storage = sockaddr_storage()
    var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
    return try unsafe withUnsafeMutablePointer(to: &storage) { storage throws(Failure) in
      // sockaddr_storage is meant to be used as any other variant.
      let raw = unsafe UnsafeMutableRawPointer(storage).assumingMemoryBound(to: sockaddr.self)
      try unsafe body(raw, &length)
      return unsafe SocketAddress(raw, length: min(length, socklen_t(MemoryLayout<sockaddr_storage>.size)))
    }
  }

  /// Where the path begins in a `sockaddr_un`.
  private static let pathOffset = MemoryLayout<sa_family_t>.size

  private static func withSockaddr<Variant, Result, Failure: Error>(
    _ variant: inout Variant, _ length: Int,
    _ body: (UnsafePointer<sockaddr>, socklen_t) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    try unsafe withUnsafePointer(to: &variant) { variant throws(Failure) in
      // Every variant begins like sockaddr; C passes all of them as that.
      let raw = unsafe UnsafeRawPointer(variant).assumingMemoryBound(to: sockaddr.self)
      return try unsafe body(raw, socklen_t(length))
    }
  }
}
