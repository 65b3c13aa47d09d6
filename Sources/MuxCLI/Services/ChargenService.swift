import MultiplexAsync

/// RFC 864: sends lines of 72 printable characters, each begun one character later in the alphabet, without end. What
/// arrives is thrown away.
enum ChargenService: TaskService {
  static func serve(_ connection: Connection, isStopping: @Sendable () -> Bool) async throws {
    async let discarding: Void = connection.forEachChunk(DiscardService.handle)
    // Until the peer has gone. It is owed no more than what was begun.
    while !Task.isCancelled {
      guard !isStopping() else { return }
      try await connection.write(cycle)
    }
    try await discarding
  }

  /// The lines until they begin anew, shared by all connections.
  private static let cycle: [UInt8] = {
    let alphabet = Array(UInt8(ascii: " ")...UInt8(ascii: "~"))
    return alphabet.indices.flatMap { start in
      (start..<start + 72).map { alphabet[$0 % alphabet.count] } + Array("\r\n".utf8)
    }
  }()
}
