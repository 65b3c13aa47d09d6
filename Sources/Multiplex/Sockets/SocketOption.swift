internal import CMultiplex
package import SystemPackage

/// An option of a socket whose value is a number; switches are 0 and 1.
///
/// Corresponding C functions: `getsockopt`, `setsockopt`.
public struct SocketOption: Hashable, Sendable {
  /// The protocol layer, such as `SOL_SOCKET`.
  public let level: Int32
  /// The option's number within its layer.
  public let name: Int32

  /// An option that has no name here.
  public init(level: Int32, name: Int32) {
    self.level = level
    self.name = name
  }

  /// Sends small messages at once instead of collecting them (`TCP_NODELAY`).
  public static let noDelay = SocketOption(level: Int32(IPPROTO_TCP), name: TCP_NODELAY)
  /// Probes a silent peer (`SO_KEEPALIVE`).
  public static let keepAlive = SocketOption(level: SOL_SOCKET, name: SO_KEEPALIVE)
  /// Binds to a port that an earlier connection still occupies (`SO_REUSEADDR`).
  public static let reuseAddress = SocketOption(level: SOL_SOCKET, name: SO_REUSEADDR)
  /// Shares a port between several listeners, among which the kernel spreads connections (`SO_REUSEPORT`).
  public static let reusePort = SocketOption(level: SOL_SOCKET, name: SO_REUSEPORT)
  /// The kernel's receive buffer, in bytes; Linux doubles what is set (`SO_RCVBUF`).
  public static let receiveBuffer = SocketOption(level: SOL_SOCKET, name: SO_RCVBUF)
  /// The kernel's send buffer, in bytes; Linux doubles what is set (`SO_SNDBUF`).
  public static let sendBuffer = SocketOption(level: SOL_SOCKET, name: SO_SNDBUF)
  /// Leaves out-of-band data in its place in the stream, as RFC 6093 recommends; connections inherit it from their
  /// listener (`SO_OOBINLINE`).
  public static let outOfBandInline = SocketOption(level: SOL_SOCKET, name: SO_OOBINLINE)
  /// An IPv6 listener takes no IPv4 connections (`IPV6_V6ONLY`).
  public static let ipv6Only = SocketOption(level: Int32(IPPROTO_IPV6), name: IPV6_V6ONLY)
  /// Sends datagrams to all of a network (`SO_BROADCAST`).
  public static let broadcast = SocketOption(level: SOL_SOCKET, name: SO_BROADCAST)
  /// What kind of socket it is, such as `SOCK_STREAM` (`SO_TYPE`). To be read only.
  public static let type = SocketOption(level: SOL_SOCKET, name: SO_TYPE)
  /// Whether it listens for connections (`SO_ACCEPTCONN`). To be read only.
  public static let isListening = SocketOption(level: SOL_SOCKET, name: SO_ACCEPTCONN)
  /// The error that the socket has met since it was last asked; reading clears it (`SO_ERROR`).
  public static let pendingError = SocketOption(level: SOL_SOCKET, name: SO_ERROR)
}

extension SocketOption {
  package func value(on descriptor: FileDescriptor) throws(MultiplexError) -> Int32 {
    do {
      return try Kernel.option(descriptor.rawValue, level, name)
    } catch {
      throw MultiplexError(call: "getsockopt", descriptor: descriptor, errno: error)
    }
  }

  package func set(to value: Int32, on descriptor: FileDescriptor) throws(MultiplexError) {
    do {
      try Kernel.setOption(descriptor.rawValue, level, name, value)
    } catch {
      throw MultiplexError(call: "setsockopt", descriptor: descriptor, errno: error)
    }
  }
}

extension Socket {
  /// The value of an option.
  ///
  /// Corresponding C function: `getsockopt`.
  public func get(_ option: SocketOption) throws(MultiplexError) -> Int32 {
    try option.value(on: requireOpen(for: "getsockopt"))
  }

  /// Sets an option.
  ///
  /// Corresponding C function: `setsockopt`.
  public func set(_ option: SocketOption, to value: Int32) throws(MultiplexError) {
    try option.set(to: value, on: requireOpen(for: "setsockopt"))
  }
}
