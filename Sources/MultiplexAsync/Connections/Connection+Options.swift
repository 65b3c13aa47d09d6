public import Multiplex
public import SystemPackage

extension Connection {
  /// Returns the value of a socket option.
  ///
  /// Corresponding C function: `getsockopt`.
  ///
  /// - Throws: `MultiplexError.Reason.closed`, or the kernel's error for the option.
  public func value<Value>(of option: SocketOption<Value>) async throws(MultiplexError) -> Value {
    try await withDescriptor(for: "getsockopt") { (descriptor) throws(MultiplexError) in
      try option.value(on: descriptor)
    }
  }

  /// Sets a socket option. TCP connections have `SocketOption.noDelay` set from the start.
  ///
  /// Corresponding C function: `setsockopt`.
  ///
  /// - Throws: `MultiplexError.Reason.closed`, or the kernel's error for the option.
  public func set<Value>(_ option: SocketOption<Value>, to value: Value) async throws(MultiplexError) {
    try await withDescriptor(for: "setsockopt") { (descriptor) throws(MultiplexError) in
      try option.set(to: value, on: descriptor)
    }
  }

  /// Returns this side's address: on a machine with several, the one that the peer sees, unless it is translated on the
  /// way.
  ///
  /// Corresponding C function: `getsockname`.
  ///
  /// - Throws: `MultiplexError.Reason.closed`.
  public func localAddress() async throws(MultiplexError) -> SocketAddress {
    try await withDescriptor(for: "getsockname") { (descriptor) throws(MultiplexError) in
      try Socket.localAddress(of: descriptor)
    }
  }

  /// Calls a closure with the descriptor on the reactor's thread, where it can't be closed meanwhile: for C functions
  /// that have no method here, such as one that asks for the credentials of a Unix socket's peer (`SO_PEERCRED`).
  ///
  ///     let credentials = try await connection.withFileDescriptor { descriptor in
  ///       try peerCredentials(of: descriptor.rawValue)
  ///     }
  ///
  /// - Parameter body: Must not block, close the descriptor, read from it or write to it.
  /// - Returns: What the body returns.
  /// - Throws: What the body throws; `MultiplexError.Reason.closed`.
  public func withFileDescriptor<Value: Sendable>(
    _ body: @escaping @Sendable (FileDescriptor) throws -> Value
  ) async throws -> Value {
    try await withDescriptor(for: "withFileDescriptor") { (descriptor) throws(MultiplexError) in
      Result { try body(descriptor) }
    }.get()
  }

  /// Runs on the reactor's thread, where the descriptor can't be closed meanwhile.
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
