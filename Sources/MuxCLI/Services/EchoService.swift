import MultiplexAsync

/// RFC 862: sends its input back.
enum EchoService: ChunkService {
  static func handle(_ chunk: consuming Chunk, _ replies: inout Replies) {
    replies.write(chunk)
  }
}
