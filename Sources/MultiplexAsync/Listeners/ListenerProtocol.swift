public import Multiplex

/// Something that accepts connections at an address and serves them: a ``Listener``, or a ``ListenerGroup`` with
/// several reactors.
///
/// For code that works with either. Not intended for conformance outside this package.
public protocol ListenerProtocol: Sendable {
  /// Where it listens, with the port that the kernel chose if port 0 was requested.
  var localAddress: SocketAddress { get }

  /// Serves each connection in its own task, which runs on the connection's reactor, until the listener is closed.
  ///
  /// No task outlives this call. A connection is closed when its handler returns, after everything written was sent, or
  /// immediately if the handler throws; its error affects nothing else. The peer then gets a reset if something was
  /// left to send, and the end of input otherwise: a handler that must not make a part of an answer look complete calls
  /// ``Connection/abort()`` first. Cancelling the calling task cancels the handlers; ``close()`` then keeps clients
  /// from waiting to be accepted in vain.
  ///
  /// - Parameters:
  ///   - limit: Applies to all reactors together, and to other listeners that share it; further clients wait to be
  ///     accepted. nil sets none.
  ///   - handler: Called for each connection. It should return soon after it is cancelled.
  func serve(limitedTo limit: ConnectionLimit?, _ handler: @escaping @Sendable (Connection) async throws -> Void) async

  /// Serves each connection as ``Connection/forEachChunk(_:)`` would, but without a task: the loop itself handles
  /// incoming data, until the listener is closed.
  ///
  ///     await listener.serveChunks { connection in
  ///       ChunkHandler { chunk, replies in replies.write(chunk) }
  ///     }
  ///
  /// It costs less than ``serve(limitedTo:_:)``: less than half the memory for an idle connection, less than half the
  /// instructions for a small message. Everything said there about closing, cancellation and limits applies here too.
  ///
  /// - Parameters:
  ///   - limit: As with ``serve(limitedTo:_:)``.
  ///   - makeHandler: Makes a handler for each connection, which may keep its state in captured variables. It is called
  ///     on the connection's reactor, before anything is read.
  func serveChunks(
    limitedTo limit: ConnectionLimit?, _ makeHandler: @escaping @Sendable (Connection) -> ChunkHandler
  ) async

  /// Whether it no longer accepts, as it was closed or is shutting down. From any thread.
  ///
  /// A handler that keeps its connection open for further requests checks this after each request: its answer may then
  /// be the last one.
  var isClosed: Bool { get }

  /// Stops accepting, from any thread. Existing connections continue; those that the kernel has established already are
  /// still served, as far as there are places.
  func close()

  /// Stops accepting, and waits until the served connections have ended.
  ///
  /// A handler that calls this waits for its own end, and so always until the limit: use ``close()`` in handlers.
  /// Cancelling the calling task has no effect, as the limit ends the wait; cancel the task that serves instead, or shut
  /// down again with a shorter limit.
  ///
  /// - Parameters:
  ///   - limit: How long to wait. Then the remaining connections are closed immediately, and their handlers cancelled.
  ///     This call doesn't wait for those handlers; the call of `serve` does.
  ///   - idleTime: Connections that owe their peer nothing are closed earlier, once nothing has moved on them for this
  ///     long, so that clients that keep unused connections don't delay the shutdown. Nothing is owed if everything
  ///     written was sent, and the handler waits for input of which nothing has arrived yet. A handler that reads on
  ///     while it prepares an answer, or posts it later, must be given the time that this takes. nil closes none of
  ///     them earlier.
  /// - Returns: How many connections hadn't ended by the limit, of this shutdown or of an earlier one whose handlers are
  ///   still running; 0 if none is left when this is called. Those whose handlers were still running count, even if they
  ///   had closed their connections.
  @discardableResult
  func shutDown(within limit: Duration, closingIdleAfter idleTime: Duration?) async -> Int
}

extension ListenerProtocol {
  /// Serves as ``serve(limitedTo:_:)`` does.
  ///
  /// - Parameters:
  ///   - maximumConnections: The most connections to serve at a time, by default any number; further clients wait to be
  ///     accepted.
  ///   - handler: As with ``serve(limitedTo:_:)``.
  public func serve(
    maximumConnections: Int = .max, _ handler: @escaping @Sendable (Connection) async throws -> Void
  ) async {
    await serve(limitedTo: ConnectionLimit(upTo: maximumConnections), handler)
  }

  /// Serves as ``serveChunks(limitedTo:_:)`` does.
  ///
  /// - Parameters:
  ///   - maximumConnections: The most connections to serve at a time, by default any number; further clients wait to be
  ///     accepted.
  ///   - makeHandler: As with ``serveChunks(limitedTo:_:)``.
  public func serveChunks(
    maximumConnections: Int = .max, _ makeHandler: @escaping @Sendable (Connection) -> ChunkHandler
  ) async {
    await serveChunks(limitedTo: ConnectionLimit(upTo: maximumConnections), makeHandler)
  }

  /// Stops accepting, and waits until the served connections have ended: see ``shutDown(within:closingIdleAfter:)``.
  ///
  /// - Returns: How many connections hadn't ended by the limit.
  @discardableResult
  public func shutDown(within limit: Duration) async -> Int {
    await shutDown(within: limit, closingIdleAfter: nil)
  }
}
