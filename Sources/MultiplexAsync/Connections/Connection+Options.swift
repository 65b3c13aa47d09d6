public import Multiplex
public import SystemPackage

extension Connection {
  /// The value of a socket option.
  ///
  /// Corresponding C function: `getsockopt`.
  ///
  /// - Throws: `MultiplexError.Reason.closed`, or what the kernel says of the option.
  public func value<Value>(of option: SocketOption<Value>) async throws(MultiplexError) -> Value {
    try await withDescriptor(for: "getsockopt") { (descriptor) throws(MultiplexError) in
      try option.value(on: descriptor)
    }
  }

  /// Sets a socket option. TCP connections have `SocketOption.noDelay` from the beginning.
  ///
  /// Corresponding C function: `setsockopt`.
  ///
  /// - Throws: `MultiplexError.Reason.closed`, or what the kernel says of the option.
  public func set<Value>(_ option: SocketOption<Value>, to value: Value) async throws(MultiplexError) {
    try await withDescriptor(for: "setsockopt") { (descriptor) throws(MultiplexError) in
      try option.set(to: value, on: descriptor)
    }
  }

  /// This side's address: on a machine with several, the one that the peer sees, unless it is translated on the way.
  ///
  /// Corresponding C function: `getsockname`.
  ///
  /// - Throws: `MultiplexError.Reason.closed`.
  public func localAddress() async throws(MultiplexError) -> SocketAddress {
    try await withDescriptor(for: "getsockname") { (descriptor) throws(MultiplexError) in
      try Socket.localAddress(of: descriptor)
    }
  }

  /// Lends the descriptor to code on the reactor's thread, where nobody closes it meanwhile: for a C function that there is no
  /// method for, such as one that asks who the peer of a Unix socket is (`SO_PEERCRED`).
  ///
  ///     let credentials = try await connection.withFileDescriptor { descriptor in
  ///       try peerCredentials(of: descriptor.rawValue)
  ///     }
  ///
  /// - Parameter body: Must neither block, nor close the descriptor, nor read from it or write to it.
  /// - Returns: What the body returns.
  /// - Throws: What the body throws; `MultiplexError.Reason.closed`.
  public func withFileDescriptor<Value: Sendable>(
    _ body: @escaping @Sendable (FileDescriptor) throws -> Value
  ) async throws -> Value {
    try await withDescriptor(for: "withFileDescriptor") { (descriptor) throws(MultiplexError) in
      Result { try body(descriptor) }
    }.get()
  }

  /// On the reactor's thread, where nobody closes the descriptor meanwhile.
  private func withDescriptor<Value: Sendable>(
    for call: String, _ body: @escaping @Sendable (FileDescriptor) throws(MultiplexError) -> Value
  ) async throws(MultiplexError) -> Value {
    try await reactor.run { () async throws(MultiplexError) in
      guard let number = unsafe self.core.openDescriptor else {
        throw .closed("connection", for: call, subject: self.peerAddress?.description)
      }
      return try body(FileDescriptor(rawValue: number))
    }
  }
}
