/// Has a handler deal with each chunk that comes on a connection.
final class ChunkWork: PumpWork {
  private let connection: Connection
  private let handler: ChunkHandler
  @safe @exclusivity(unchecked) private var replies: Replies
  /// What the handler has thrown.
  private(set) var thrown: (any Error)?

  init(on connection: Connection, by handler: @escaping ChunkHandler) {
    self.connection = connection
    self.handler = handler
    replies = Replies(to: connection)
  }

  func step() -> Pump.Step {
    if replies.isEnded { return .end(nil) }
    do throws(ConnectionError) {
      guard let outcome = unsafe connection.stream.takeNow() else { return .awaitInput }
      guard let chunk = try connection.chunk(of: outcome) else { return .end(nil) }
      return handle(chunk)
    } catch {
      return .end(error)
    }
  }

  private func handle(_ chunk: consuming Chunk) -> Pump.Step {
    replies.beginNext()
    do {
      try handler(chunk, &replies)
    } catch {
      thrown = error
      return .end(nil)
    }
    guard let rest = replies.rest else { return .goOn }
    return Pump.Step(after: rest, on: connection)
  }
}

extension Pump.Step {
  /// - Parameter rest: What is left of a write on the reactor's thread.
  init(after rest: UnfinishedWrite?, on connection: Connection) {
    switch rest?.rest {
    case .room: self = .awaitOutput(.room)
    case .refused(let reason): self = .end(connection.failure(reason, during: .write))
    // Others have their turn when there is no more to read in this one.
    case .turn, .elsewhere, nil: self = .goOn
    }
  }
}
