/// Handles the bytes received on a connection without a task, and may answer them: see
/// ``ListenerProtocol/serveChunks(limitedTo:_:)``.
///
///     await listener.serveChunks { connection in
///       var count = 0
///       return ChunkHandler { chunk, replies in
///         count += chunk.count
///       } atEnd: { replies in
///         replies.write("\(count) bytes\n")
///       }
///     }
///
/// Its closures are called on the reactor's thread, by the loop itself, which waits for them: they must not block. They
/// may share captured variables, as no two of them run at the same time.
public struct ChunkHandler {
  /// Handles a chunk.
  public typealias Body = (consuming Chunk, inout Replies) throws -> Void

  let body: Body
  let atEnd: ((inout Replies) throws -> Void)?
  let onClose: ((CloseReason) -> Void)?

  /// Makes a handler for one connection. An error that it throws ends the connection's service.
  ///
  /// - Parameters:
  ///   - body: Called with each chunk.
  ///   - atEnd: Called once, when the peer has finished sending, unless ``Replies/end()`` was called before. The
  ///     connection is closed when what this writes has been sent.
  ///   - onClose: Called once, when the connection has been closed, with the reason: see ``Connection/onClose(_:)``.
  public init(
    _ body: @escaping Body, atEnd: ((inout Replies) throws -> Void)? = nil, onClose: ((CloseReason) -> Void)? = nil
  ) {
    self.body = body
    self.atEnd = atEnd
    self.onClose = onClose
  }
}
