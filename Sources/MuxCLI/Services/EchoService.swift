import MultiplexAsync

/// RFC 862: sends back what arrives.
enum EchoService: ChunkService {
  static func handle(_ chunk: consuming Chunk, _ replies: inout Replies) {
    replies.write(chunk)
  }
}
