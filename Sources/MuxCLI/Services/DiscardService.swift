import MultiplexAsync

/// RFC 863: throws away what arrives, and says nothing.
enum DiscardService: ChunkService {
  static func handle(_ chunk: consuming Chunk, _ replies: inout Replies) {
    // It goes back to its pool.
  }
}
