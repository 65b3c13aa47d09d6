/// Calls a handler with each chunk received on a connection, and at the end of input.
class ChunkPump: Pump, @unchecked Sendable {
  private final let body: ChunkHandler.Body
  private final let atEnd: ((inout Replies) throws -> Void)?
  @safe @exclusivity(unchecked) private final var replies: Replies
  /// The error that the handler has thrown.
  private(set) final var thrown: (any Error)?

  /// - Parameters:
  ///   - connection: Where to receive and answer.
  ///   - id: Names all of its waits.
  ///   - handler: What to call.
  init(on connection: Connection, id: WaitID, by handler: ChunkHandler) {
    body = handler.body
    atEnd = handler.atEnd
    replies = unsafe Replies(to: connection.core, on: connection.reactor)
    super.init(from: connection, to: connection, ids: (id, id))
  }

  override final func step() throws(ConnectionError) -> Step {
    if replies.isEnded { return .end }
    switch core.takeNow() {
    case nil: return .awaitInput
    case .bytes(let buffer, let count):
      return try handle(unsafe Chunk(buffer, count: count, reactor: replies.reactor))
    case .endOfInput:
      handleEnd()
      return .end
    case .refused(let reason): throw input.failure(reason, during: .read)
    }
  }

  private final func handle(_ chunk: consuming Chunk) throws(ConnectionError) -> Step {
    replies.beginNext()
    do {
      try body(chunk, &replies)
    } catch {
      thrown = error
      return .end
    }
    return try Step(after: replies.remainder, on: output)
  }

  /// What this writes is sent, or waits to be, when the pump ends.
  private final func handleEnd() {
    guard let atEnd else { return }
    do { try atEnd(&replies) } catch { thrown = error }
  }
}
