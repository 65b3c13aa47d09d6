internal import CMultiplex
package import SystemPackage

/// A socket option, with the type of its value.
///
///     try socket.set(.keepAlive, to: true)
///     let size = try socket.value(of: .receiveBuffer)
///
/// Corresponding C functions: `getsockopt`, `setsockopt`.
public struct SocketOption<Value: SocketOptionValue>: Hashable, Sendable {
  /// The protocol layer, such as `SOL_SOCKET`.
  public let level: Int32
  /// The option's number within its layer.
  public let name: Int32

  /// Makes an option that isn't declared here:
  ///
  ///     let mark = SocketOption<Int32>(level: SOL_SOCKET, name: SO_MARK)
  public init(level: Int32, name: Int32) {
    self.level = level
    self.name = name
  }
}

extension SocketOption where Value == Bool {
  /// Sends small messages at once instead of collecting them (`TCP_NODELAY`).
  public static var noDelay: Self { Self(level: Int32(IPPROTO_TCP), name: TCP_NODELAY) }
  /// Probes a silent peer, so that a connection whose peer has vanished ends (`SO_KEEPALIVE`).
  public static var keepAlive: Self { Self(level: SOL_SOCKET, name: SO_KEEPALIVE) }
  /// Allows binding to a port still held by connections in TIME_WAIT (`SO_REUSEADDR`).
  public static var reuseAddress: Self { Self(level: SOL_SOCKET, name: SO_REUSEADDR) }
  /// Shares a port between several listeners, among which the kernel distributes connections (`SO_REUSEPORT`).
  public static var reusePort: Self { Self(level: SOL_SOCKET, name: SO_REUSEPORT) }
  /// Leaves out-of-band data in its place in the stream, as RFC 6093 recommends; connections inherit this from their
  /// listener (`SO_OOBINLINE`).
  public static var outOfBandInline: Self { Self(level: SOL_SOCKET, name: SO_OOBINLINE) }
  /// Restricts an IPv6 socket to IPv6: a listener accepts no IPv4 connections (`IPV6_V6ONLY`).
  public static var ipv6Only: Self { Self(level: Int32(IPPROTO_IPV6), name: IPV6_V6ONLY) }
  /// Allows sending to broadcast addresses (`SO_BROADCAST`).
  public static var broadcast: Self { Self(level: SOL_SOCKET, name: SO_BROADCAST) }
  /// Whether the socket listens for connections (`SO_ACCEPTCONN`). Read-only.
  public static var isListening: Self { Self(level: SOL_SOCKET, name: SO_ACCEPTCONN) }
}

extension SocketOption where Value == Int32 {
  /// The size of the kernel's receive buffer in bytes; Linux doubles what is set (`SO_RCVBUF`).
  public static var receiveBuffer: Self { Self(level: SOL_SOCKET, name: SO_RCVBUF) }
  /// The size of the kernel's send buffer in bytes; Linux doubles what is set (`SO_SNDBUF`).
  public static var sendBuffer: Self { Self(level: SOL_SOCKET, name: SO_SNDBUF) }
  /// The seconds of silence after which ``keepAlive`` starts probing (`TCP_KEEPIDLE`).
  public static var keepAliveIdle: Self { Self(level: Int32(IPPROTO_TCP), name: TCP_KEEPIDLE) }
  /// The seconds between two probes of ``keepAlive`` (`TCP_KEEPINTVL`).
  public static var keepAliveInterval: Self { Self(level: Int32(IPPROTO_TCP), name: TCP_KEEPINTVL) }
  /// How many probes of ``keepAlive`` may remain unanswered before the connection ends (`TCP_KEEPCNT`).
  public static var keepAliveCount: Self { Self(level: Int32(IPPROTO_TCP), name: TCP_KEEPCNT) }
  /// The milliseconds for which sent data may remain unacknowledged before the connection ends; 0 leaves it to the
  /// kernel (`TCP_USER_TIMEOUT`).
  public static var userTimeout: Self { Self(level: Int32(IPPROTO_TCP), name: TCP_USER_TIMEOUT) }
  /// The type of the socket, such as `SOCK_STREAM` (`SO_TYPE`). Read-only.
  public static var type: Self { Self(level: SOL_SOCKET, name: SO_TYPE) }
  /// The pending error of the socket, 0 for none; reading clears it (`SO_ERROR`). Read-only.
  public static var pendingError: Self { Self(level: SOL_SOCKET, name: SO_ERROR) }
}

extension SocketOption {
  package func value(on descriptor: FileDescriptor) throws(MultiplexError) -> Value {
    let value = try calling("getsockopt", on: descriptor, Kernel.option(descriptor.rawValue, level, name))
    return Value(socketOptionValue: value)
  }

  package func set(to value: Value, on descriptor: FileDescriptor) throws(MultiplexError) {
    try calling(
      "setsockopt", on: descriptor, Kernel.setOption(descriptor.rawValue, level, name, value.socketOptionValue))
  }
}

extension Socket {
  /// Returns the value of an option.
  ///
  /// Corresponding C function: `getsockopt`.
  ///
  /// - Throws: ``MultiplexError/Reason/closed``; `ENOPROTOOPT` or `EOPNOTSUPP` for an option that the socket doesn't
  ///   have.
  public func value<Value>(of option: SocketOption<Value>) throws(MultiplexError) -> Value {
    try option.value(on: requireOpen(for: "getsockopt"))
  }

  /// Sets an option.
  ///
  /// Corresponding C function: `setsockopt`.
  ///
  /// - Throws: ``MultiplexError/Reason/closed``; ``MultiplexError/Reason/invalidArgument`` for a value that is out of
  ///   range; `ENOPROTOOPT` or `EOPNOTSUPP` for an option that the socket doesn't have, or that can't be set.
  public func set<Value>(_ option: SocketOption<Value>, to value: Value) throws(MultiplexError) {
    try option.set(to: value, on: requireOpen(for: "setsockopt"))
  }
}
