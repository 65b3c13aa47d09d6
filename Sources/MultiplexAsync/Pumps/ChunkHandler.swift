/// Handles bytes received on a connection, and may answer them: see ``Connection/forEachChunk(_:)`` and
/// ``ListenerProtocol/serveChunks(limitedTo:_:)``.
///
/// It is called on the reactor's thread, by the loop itself, which waits for it: it must not block. The chunk's buffer
/// returns to its pool when the chunk ends. A thrown error ends the connection's service.
public typealias ChunkHandler = (consuming Chunk, inout Replies) throws -> Void
