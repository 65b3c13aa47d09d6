import MultiplexAsync

/// RFC 863: discards its input, and sends nothing.
enum DiscardService: ChunkService {
  static func handle(_ chunk: consuming Chunk, _ replies: inout Replies) {
    // The chunk returns to its pool.
  }
}
