import MultiplexAsync

/// What a server does with its connections.
protocol Service: SendableMetatype {
  /// Serves all that comes to a listener, until it is closed.
  ///
  /// - Parameters:
  ///   - isStopping: Whether the server was told to stop, and is to begin nothing that nobody waits for.
  ///   - prepare: Is done first with each connection.
  static func serve(
    _ listener: ListenerGroup, limitedTo limit: ConnectionLimit, isStopping: @escaping @Sendable () -> Bool,
    after prepare: @escaping @Sendable (Connection) -> Void
  ) async
}
