import MultiplexAsync

/// A service that only handles received chunks, and needs no task per connection.
protocol ChunkService: Service {
  /// Handles a received chunk.
  static func handle(_ chunk: consuming Chunk, _ replies: inout Replies)
}

extension ChunkService {
  static func serve(
    _ listener: ListenerGroup, limitedTo limit: ConnectionLimit, isStopping: @escaping @Sendable () -> Bool,
    after prepare: @escaping @Sendable (Connection) -> Void
  ) async {
    await listener.serveChunks(limitedTo: limit) { connection in
      prepare(connection)
      return ChunkHandler(handle)
    }
  }
}
