public import Multiplex

/// What takes connections at an address and serves them: a ``Listener``, or a ``ListenerGroup`` with several reactors.
///
/// For code that doesn't care which of them it is given. Not meant for types of others.
public protocol ListenerProtocol: Sendable {
  /// Where it listens, with the port that the kernel chose where port 0 was asked for.
  var localAddress: SocketAddress { get }

  /// Serves each connection in a task of its own, which runs on the connection's reactor, until the listener is closed.
  ///
  /// No task outlives this call. A connection is closed when its handler has returned, after what was written has been
  /// sent, or at once if it has thrown; what it throws concerns nobody else. The peer then sees a reset if something was
  /// left to send, and an end otherwise: a handler that must not leave half an answer looking whole calls
  /// ``Connection/abort()`` first. Cancelling the calling task cancels the handlers; ``close()`` then keeps clients from
  /// waiting to be accepted by nobody.
  ///
  /// - Parameters:
  ///   - limit: Of all reactors together, and of other listeners that share it; further clients wait to be accepted. nil
  ///     sets none.
  ///   - handler: Is called for each connection, and should end soon after it is cancelled.
  func serve(limitedTo limit: ConnectionLimit?, _ handler: @escaping @Sendable (Connection) async throws -> Void) async

  /// Serves each connection as ``Connection/forEachChunk(_:)`` would, and without a task: the loop alone deals with what
  /// comes, until the listener is closed.
  ///
  ///     await listener.serveChunks { connection in
  ///       { chunk, replies in replies.write(chunk) }
  ///     }
  ///
  /// It costs less than ``serve(limitedTo:_:)``: less than half the memory for an idle connection, less than half the
  /// instructions for a small message. All that is said there holds here: of the end of connections, of cancellation, of
  /// limits. Of the end of its connection ``Connection/onClose(_:)`` tells.
  ///
  /// - Parameters:
  ///   - limit: As with ``serve(limitedTo:_:)``.
  ///   - makeHandler: Makes a handler for each connection, which may keep what it needs in variables of its own. It is
  ///     called on the connection's reactor, before anything is read.
  func serveChunks(
    limitedTo limit: ConnectionLimit?, _ makeHandler: @escaping @Sendable (Connection) -> ChunkHandler
  ) async

  /// Whether it accepts no more, as it was closed, or is shutting down. From any thread.
  ///
  /// A handler that keeps its connection for further requests asks after each of them: the answer to that one may then be the
  /// last.
  var isClosed: Bool { get }

  /// Accepts no more, from any thread. The connections go on.
  func close()

  /// Accepts no more, and waits until the connections that are served have ended.
  ///
  /// A handler that calls it waits for its own end too, so to the limit: ``close()`` is for handlers.
  ///
  /// - Parameters:
  ///   - limit: When it is up, those that are left are closed at once, and their handlers cancelled. These aren't waited for
  ///     here any more; what serves returns when they have.
  ///   - rest: Connections that owe their peer nothing are closed earlier, once nothing has moved on them for so long:
  ///     clients that keep their connection without using it don't delay the end. Nothing is owed where everything
  ///     written is sent, and whoever serves it waits for input, none of which it has yet. nil closes none of them earlier.
  /// - Returns: How many hadn't ended when a limit was up, that of this shutdown or of an earlier one. Those whose handlers were
  ///   still at work count, though they may have closed their connections.
  @discardableResult
  func shutDown(within limit: Duration, closingIdleAfter rest: Duration?) async -> Int
}

extension ListenerProtocol {
  /// Serves as ``serve(limitedTo:_:)`` does.
  ///
  /// - Parameters:
  ///   - maximumConnections: How many are served at a time, any number unless given; further clients wait to be accepted.
  ///   - handler: As with ``serve(limitedTo:_:)``.
  public func serve(
    maximumConnections: Int = .max, _ handler: @escaping @Sendable (Connection) async throws -> Void
  ) async {
    await serve(limitedTo: ConnectionLimit(upTo: maximumConnections), handler)
  }

  /// Serves as ``serveChunks(limitedTo:_:)`` does.
  ///
  /// - Parameters:
  ///   - maximumConnections: How many are served at a time, any number unless given; further clients wait to be accepted.
  ///   - makeHandler: As with ``serveChunks(limitedTo:_:)``.
  public func serveChunks(
    maximumConnections: Int = .max, _ makeHandler: @escaping @Sendable (Connection) -> ChunkHandler
  ) async {
    await serveChunks(limitedTo: ConnectionLimit(upTo: maximumConnections), makeHandler)
  }

  /// Accepts no more, and waits until the connections that are served have ended: see ``shutDown(within:closingIdleAfter:)``.
  ///
  /// - Returns: How many hadn't ended when the limit was up.
  @discardableResult
  public func shutDown(within limit: Duration) async -> Int {
    await shutDown(within: limit, closingIdleAfter: nil)
  }
}
