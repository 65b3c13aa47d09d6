internal import SystemPackage

extension Socket {
  /// Takes what has arrived, at most as much as the buffer holds.
  ///
  /// Corresponding C function: `recv`.
  ///
  /// - Parameter buffer: Room for one byte at least: to receive none would look like the end of input.
  /// - Returns: The number of bytes received; 0 when the peer has finished sending; nil if nothing has arrived yet.
  public func receive(into buffer: inout MutableRawSpan) throws(MultiplexError) -> Int? {
    let descriptor = try requireOpen(for: "recv")
    try ReadBuffer.requireRoom(buffer.byteCount, for: "recv")
    return try unsafe buffer.withUnsafeMutableBytes { buffer throws(MultiplexError) in
      try transfer("recv", descriptor) { () throws(Errno) in
        try unsafe Kernel.receive(descriptor.rawValue, buffer)
      }
    }
  }

  /// Takes what has arrived, at most `count` bytes, and 16 MiB at a time.
  ///
  /// - Parameter count: At least 1.
  /// - Returns: The bytes; none when the peer has finished sending; nil if nothing has arrived yet.
  public func receive(upTo count: Int) throws(MultiplexError) -> [UInt8]? {
    try ReadBuffer.bytes(upTo: count, for: "recv") { (buffer) throws(MultiplexError) in try receive(into: &buffer) }
  }

  /// Sends as much as there is room for.
  ///
  /// Corresponding C function: `send` with `MSG_NOSIGNAL`.
  ///
  /// - Returns: The number of bytes taken; nil if there is no room now.
  public func send(_ bytes: RawSpan) throws(MultiplexError) -> Int? {
    let descriptor = try requireOpen(for: "send")
    return try unsafe bytes.withUnsafeBytes { bytes throws(MultiplexError) in
      try transfer("send", descriptor) { () throws(Errno) in try unsafe Kernel.send(descriptor.rawValue, bytes) }
    }
  }

  /// Sends as much as there is room for.
  ///
  /// - Returns: The number of bytes taken; nil if there is no room now.
  @inlinable
  public func send(_ bytes: some RandomAccessCollection<UInt8>) throws(MultiplexError) -> Int? {
    try bytes.withContiguousBytes { (bytes) throws(MultiplexError) in try send(bytes) }
  }

  /// Sends everything, and waits for room where there is none.
  ///
  /// - Parameters:
  ///   - bytes: Where there are none, nothing is done.
  ///   - timeout: How long the peer may take nothing at all; nil waits for ever, zero and less don't wait.
  /// - Throws: `timedOut` (ETIMEDOUT) when the time is up; what was taken until then has been sent.
  public func sendAll(_ bytes: some RandomAccessCollection<UInt8>, timeout: Duration? = nil) throws(MultiplexError) {
    // Contiguous, so that nothing is copied for each of the calls.
    var rest = [UInt8](bytes)[...]
    while !rest.isEmpty {
      if let sent = try send(rest) {
        rest = rest.dropFirst(sent)
      } else {
        try wait(for: .out, timeout: timeout, call: "send")
      }
    }
  }

  /// Ends one direction, or both; the socket stays open. After `.writing` the peer reads the end of input.
  ///
  /// Corresponding C function: `shutdown`.
  public func shutdown(_ direction: ShutdownDirection) throws(MultiplexError) {
    let descriptor = try requireOpen(for: "shutdown")
    do {
      try Kernel.shutdown(descriptor.rawValue, direction.rawValue)
    } catch {
      throw MultiplexError(call: "shutdown", descriptor: descriptor, errno: error)
    }
  }
}
