import MultiplexAsync

/// A service that deals with what comes on a connection, and does nothing else: it needs no task.
protocol ChunkService: Service {
  /// Deals with bytes that have come.
  static func handle(_ chunk: consuming Chunk, _ replies: inout Replies)
}

extension ChunkService {
  static func serve(
    _ listener: ListenerGroup, limitedTo limit: ConnectionLimit, isStopping: @escaping @Sendable () -> Bool,
    after prepare: @escaping @Sendable (Connection) -> Void
  ) async {
    await listener.serveChunks(limitedTo: limit) { connection in
      prepare(connection)
      return handle
    }
  }
}
