public import Logging
public import Multiplex
public import MultiplexAsync

/// Logs what happens on a reactor, with a `Logger`.
///
///     let reactor = try Reactor(observer: LoggingObserver(Logger(label: "server")))
///
/// | Level | What |
/// |---|---|
/// | error | the reactor can't wait for I/O; at most one message in ten seconds |
/// | warning | connections can't be accepted; at most one message in ten seconds |
/// | notice | errors thrown by handlers of connections |
/// | info | listeners that begin and stop |
/// | debug | connections that are opened and closed, and why; connections that couldn't be established |
/// | trace | bytes that are received, sent and queued |
///
/// The metadata keys are `listener`, `connection` (a number unique to the connection), `peer`, `bytes`, `queued`,
/// `reason` and `unsent`. The logger's level is read when the reactor is made: events that it leaves out cost nothing.
public struct LoggingObserver: ReactorObserver {
  private let logger: Logger
  private let warnings = RateLimit(every: .seconds(10))
  private let errors = RateLimit(every: .seconds(10))

  /// Makes an observer that writes to this logger.
  public init(_ logger: Logger) {
    self.logger = logger
  }

  /// The events that the logger's level includes.
  public var events: ReactorEvents {
    switch logger.logLevel {
    case .trace: [.failures, .listeners, .connections, .transfers]
    case .debug, .info, .notice: [.failures, .listeners, .connections]
    case .warning: [.failures, .listeners]
    case .error: .failures
    case .critical: []
    }
  }

  /// Writes a message at level error, unless there was one in the last ten seconds.
  public func waitFailed(because error: MultiplexError) {
    guard errors.allows() else { return }
    logger.error("can't wait for I/O", metadata: ["reason": "\(error)"])
  }

  // MARK: Listeners

  /// Writes a message at level info.
  public func listening(_ listener: ObservedListener) {
    logger.info("listening", metadata: metadata(of: listener))
  }

  /// Writes a message at level warning, unless there was one in the last ten seconds.
  public func acceptFailed(_ listener: ObservedListener, because error: MultiplexError) {
    guard warnings.allows() else { return }
    logger.warning("can't accept", metadata: metadata(of: listener, ["reason": "\(error)"]))
  }

  /// Writes a message at level info.
  public func stoppedListening(_ listener: ObservedListener) {
    logger.info("stopped listening", metadata: metadata(of: listener))
  }

  private func metadata(of listener: ObservedListener, _ more: Logger.Metadata = [:]) -> Logger.Metadata {
    more.merging(["listener": "\(listener.localAddress)"]) { $1 }
  }

  // MARK: Connections

  /// Writes a message at level debug.
  public func opened(_ connection: ObservedConnection) {
    switch connection.origin {
    case .accepted(let address):
      logger.debug("accepted", metadata: metadata(of: connection, ["listener": "\(address)"]))
    case .connected: logger.debug("connected", metadata: metadata(of: connection))
    case .adopted: logger.debug("adopted", metadata: metadata(of: connection))
    }
  }

  /// Writes a message at level debug: whoever connects gets the error too.
  public func connectFailed(to address: SocketAddress, because error: ConnectionError) {
    logger.debug("can't connect", metadata: ["peer": "\(address)", "reason": "\(error.reason)"])
  }

  /// Writes a message at level debug; at level notice, if the connection's handler threw an error.
  public func closed(_ connection: ObservedConnection, because reason: CloseReason, unsent: Int) {
    var level = Logger.Level.debug
    if case .failed = reason { level = .notice }
    var details: Logger.Metadata = ["reason": "\(reason)"]
    if unsent > 0 { details["unsent"] = "\(unsent)" }
    logger.log(level: level, "closed", metadata: metadata(of: connection, details))
  }

  // MARK: Transfers

  /// Writes a message at level trace.
  public func received(_ count: Int, on connection: ObservedConnection) {
    logger.trace("received", metadata: metadata(of: connection, ["bytes": "\(count)"]))
  }

  /// Writes a message at level trace.
  public func receivedEnd(on connection: ObservedConnection) {
    logger.trace("the peer has finished sending", metadata: metadata(of: connection))
  }

  /// Writes a message at level trace.
  public func sent(_ count: Int, on connection: ObservedConnection) {
    logger.trace("sent", metadata: metadata(of: connection, ["bytes": "\(count)"]))
  }

  /// Writes a message at level trace.
  public func queued(_ count: Int, on connection: ObservedConnection) {
    logger.trace("queued", metadata: metadata(of: connection, ["queued": "\(count)"]))
  }

  private func metadata(of connection: ObservedConnection, _ more: Logger.Metadata = [:]) -> Logger.Metadata {
    var all = more
    all["connection"] = "\(connection.id)"
    if let peer = connection.peer { all["peer"] = "\(peer)" }
    return all
  }
}
