/// Calls a handler with each chunk received on a connection.
class ChunkPump: Pump, @unchecked Sendable {
  private final let handler: ChunkHandler
  @safe @exclusivity(unchecked) private final var replies: Replies
  /// The error that the handler has thrown.
  private(set) final var thrown: (any Error)?

  /// - Parameters:
  ///   - connection: Where to receive and answer.
  ///   - id: Names all of its waits.
  ///   - handler: Called with each chunk.
  init(on connection: Connection, id: WaitID, by handler: @escaping ChunkHandler) {
    self.handler = handler
    replies = unsafe Replies(to: connection.core, on: connection.reactor)
    super.init(from: connection, to: connection, ids: (id, id))
  }

  override final func step() throws(ConnectionError) -> Step {
    if replies.isEnded { return .end }
    switch core.takeNow() {
    case nil: return .awaitInput
    case .bytes(let buffer, let count):
      return try handle(unsafe Chunk(buffer, count: count, reactor: replies.reactor))
    case .endOfInput: return .end
    case .refused(let reason): throw input.failure(reason, during: .read)
    }
  }

  private final func handle(_ chunk: consuming Chunk) throws(ConnectionError) -> Step {
    replies.beginNext()
    do {
      try handler(chunk, &replies)
    } catch {
      thrown = error
      return .end
    }
    return try Step(after: replies.remainder, on: output)
  }
}
