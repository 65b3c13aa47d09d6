internal import SystemPackage

extension Socket {
  /// Receives the bytes that have arrived, at most as many as the buffer holds.
  ///
  /// Corresponding C function: `recv`.
  ///
  /// - Parameter buffer: Room for at least one byte: receiving none would look like the end of input.
  /// - Returns: The number of bytes received; 0 when the peer has finished sending; nil if nothing has arrived yet.
  /// - Throws: ``MultiplexError/Reason/closed``; ``MultiplexError/Reason/invalidArgument`` for an empty buffer;
  ///   ECONNRESET when the peer has reset the connection.
  public func receive(into buffer: inout MutableRawSpan) throws(MultiplexError) -> Int? {
    let descriptor = try requireOpen(for: "recv")
    try ReadBuffer.requireRoom(buffer.byteCount, for: "recv")
    return try unsafe buffer.withUnsafeMutableBytes { buffer throws(MultiplexError) in
      try transfer("recv", descriptor) { () throws(Errno) in
        try unsafe Kernel.receive(descriptor.rawValue, buffer)
      }
    }
  }

  /// Receives the bytes that have arrived: see ``receive(into:)-(MutableRawSpan)``.
  public func receive(into buffer: inout MutableSpan<UInt8>) throws(MultiplexError) -> Int? {
    // Any bytes are valid bytes.
    var buffer = unsafe buffer.mutableBytes
    return try receive(into: &buffer)
  }

  /// Receives the bytes that have arrived, at most `count` of them, and 16 MiB at a time.
  ///
  /// - Parameter count: At least 1.
  /// - Returns: The bytes; none when the peer has finished sending; nil if nothing has arrived yet.
  /// - Throws: As ``receive(into:)-(MutableRawSpan)`` does.
  public func receive(upTo count: Int) throws(MultiplexError) -> [UInt8]? {
    try ReadBuffer.bytes(upTo: count, for: "recv") { (buffer) throws(MultiplexError) in try receive(into: &buffer) }
  }

  /// Sends as many bytes as there is room for.
  ///
  /// Corresponding C function: `send` with `MSG_NOSIGNAL`.
  ///
  /// - Returns: The number of bytes sent; nil if there is no room now.
  /// - Throws: ``MultiplexError/Reason/closed``; EPIPE or ECONNRESET when the peer has gone. No signal is raised.
  public func send(_ bytes: RawSpan) throws(MultiplexError) -> Int? {
    let descriptor = try requireOpen(for: "send")
    return try unsafe bytes.withUnsafeBytes { bytes throws(MultiplexError) in
      try transfer("send", descriptor) { () throws(Errno) in try unsafe Kernel.send(descriptor.rawValue, bytes) }
    }
  }

  /// Sends as many bytes as there is room for: see ``send(_:)-(RawSpan)``.
  public func send(_ bytes: Span<UInt8>) throws(MultiplexError) -> Int? {
    // Any byte is initialized.
    try send(unsafe bytes.bytes)
  }

  /// Sends as many bytes as there is room for: see ``send(_:)-(RawSpan)``.
  ///
  /// - Returns: The number of bytes sent; nil if there is no room now.
  /// - Throws: As ``send(_:)-(RawSpan)`` does.
  @inlinable
  public func send(_ bytes: some Collection<UInt8>) throws(MultiplexError) -> Int? {
    try bytes.withContiguousBytes { (bytes) throws(MultiplexError) in try send(bytes) }
  }

  /// Sends all bytes, waiting for room when there is none.
  ///
  /// - Parameters:
  ///   - bytes: The bytes; if there are none, nothing is done.
  ///   - timeout: How long to wait for room each time; nil waits without limit, zero or less doesn't wait.
  /// - Throws: ``MultiplexError/Reason/closed``; EPIPE or ECONNRESET when the peer has gone; `timedOut` (ETIMEDOUT)
  ///   when the time is up. Bytes that there was room for until then have been sent.
  public func sendAll(_ bytes: some Collection<UInt8>, timeout: Duration? = nil) throws(MultiplexError) {
    // Contiguous, so that no call has to copy.
    var remaining = [UInt8](bytes)[...]
    while !remaining.isEmpty {
      if let sent = try send(remaining) {
        remaining = remaining.dropFirst(sent)
      } else {
        try wait(for: .out, timeout: timeout, call: "send")
      }
    }
  }

  /// Shuts down one direction, or both; the socket stays open. After `.writing` the peer reads the end of input.
  ///
  /// Corresponding C function: `shutdown`.
  ///
  /// - Throws: ``MultiplexError/Reason/closed``; ENOTCONN for a socket that isn't connected.
  public func shutdown(_ direction: ShutdownDirection) throws(MultiplexError) {
    let descriptor = try requireOpen(for: "shutdown")
    try calling("shutdown", on: descriptor, Kernel.shutdown(descriptor.rawValue, direction.rawValue))
  }
}
