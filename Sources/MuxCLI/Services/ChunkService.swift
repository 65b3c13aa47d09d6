import MultiplexAsync

/// What a server does with what comes on a connection, where that is all it does: it needs no task.
protocol ChunkService: SendableMetatype {
  /// Deals with bytes that have come.
  static func handle(_ chunk: consuming Chunk, _ replies: inout Replies)
}
