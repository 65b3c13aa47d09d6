/// Length-prefixed messages: a length in network byte order, followed by that many bytes.
extension Connection {
  /// Reads a message.
  ///
  ///     while let request = try await connection.readFrame(limit: 1 << 20) {
  ///       try await connection.writeFrame(answer(request))
  ///     }
  ///
  /// - Parameters:
  ///   - type: The unsigned integer type of the length, which counts the message but not itself.
  ///   - limit: The longest message, in bytes; zero or less allows only empty ones. A peer may claim any length: no
  ///     memory is allocated for bytes that haven't arrived.
  /// - Returns: The message, which may be empty; nil when the peer has finished sending, and no part of another message
  ///   was received.
  /// - Throws: ``ConnectionError/Reason/limitExceeded``; ``ConnectionError/Reason/endOfInput`` in the middle of a
  ///   message; and as ``read()`` does. In every case the received bytes are kept for the next read.
  public func readFrame<LengthPrefix: FixedWidthInteger & UnsignedInteger & Sendable>(
    lengthPrefix type: LengthPrefix.Type = UInt32.self, limit: Int = 1 << 20
  ) async throws(ConnectionError) -> [UInt8]? {
    try await reactor.run { () async throws(ConnectionError) in try await self.takeFrameHere(type, limit) }
  }

  private func takeFrameHere<LengthPrefix: FixedWidthInteger & UnsignedInteger & Sendable>(
    _ type: LengthPrefix.Type, _ limit: Int
  ) async throws(ConnectionError) -> [UInt8]? {
    let lengthSize = type.bitWidth / 8
    var isTooLong = false
    let frame = try await takeHere { queue in
      guard queue.count >= lengthSize else { return nil }
      let length = queue.contents.prefix(lengthSize).reduce(LengthPrefix(0)) { $0 << 8 | LengthPrefix($1) }
      isTooLong = length > max(0, limit)
      if isTooLong { return 0 }
      return queue.count - lengthSize >= Int(length) ? lengthSize + Int(length) : nil
    }
    guard !isTooLong else { throw failure(.limitExceeded, during: .read) }
    if let frame { return Array(frame.dropFirst(lengthSize)) }
    guard unsafe core.lookahead.isEmpty else { throw failure(.endOfInput, during: .read) }
    return nil
  }

  /// Sends a message with its length before it, contiguously.
  ///
  /// - Throws: ``ConnectionError/Reason/limitExceeded`` for a message longer than the type can represent; and as
  ///   ``write(_:)-(Chunk)`` does.
  public func writeFrame<LengthPrefix: FixedWidthInteger & UnsignedInteger & Sendable>(
    _ message: some Sequence<UInt8>, lengthPrefix type: LengthPrefix.Type = UInt32.self
  ) async throws(ConnectionError) {
    let message = [UInt8](message)
    guard let length = LengthPrefix(exactly: message.count) else { throw failure(.limitExceeded, during: .write) }
    let bytes = (0..<type.bitWidth / 8).reversed().map { UInt8(truncatingIfNeeded: length >> (8 * $0)) }
    try await write(vectored: [bytes, message])
  }
}
