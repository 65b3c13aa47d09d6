import MultiplexAsync

/// RFC 864: sends lines of 72 printable characters, each starting one character later in the alphabet, without end.
/// Input is discarded.
enum ChargenService: TaskService {
  static func serve(_ connection: Connection, isStopping: @Sendable () -> Bool) async throws {
    async let discarding: Void = connection.forEachChunk(DiscardService.handle)
    // Until the peer has gone. When the server stops, no further cycle is sent.
    while !Task.isCancelled {
      guard !isStopping() else { return }
      try await connection.write(cycle)
    }
    try await discarding
  }

  /// The lines until they repeat, shared by all connections.
  private static let cycle: [UInt8] = {
    let alphabet = Array(UInt8(ascii: " ")...UInt8(ascii: "~"))
    return alphabet.indices.flatMap { start in
      (start..<start + 72).map { alphabet[$0 % alphabet.count] } + Array("\r\n".utf8)
    }
  }()
}
