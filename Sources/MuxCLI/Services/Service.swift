import MultiplexAsync

/// What a server does with its connections.
protocol Service: SendableMetatype {
  /// Serves the connections of a listener, until it is closed.
  ///
  /// - Parameters:
  ///   - listener: The listener.
  ///   - limit: The limit on connections.
  ///   - isStopping: Whether the server is stopping. A service then starts nothing that no client waits for.
  ///   - prepare: Called first for each connection.
  static func serve(
    _ listener: ListenerGroup, limitedTo limit: ConnectionLimit, isStopping: @escaping @Sendable () -> Bool,
    after prepare: @escaping @Sendable (Connection) -> Void
  ) async
}
