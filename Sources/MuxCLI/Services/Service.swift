import MultiplexAsync

/// What a server does with its connections.
protocol Service: SendableMetatype {
  /// Serves all that comes to a listener, until it is closed.
  ///
  /// - Parameter prepare: Is done first with each connection.
  static func serve(
    _ listener: ListenerGroup, within limit: ConnectionLimit, after prepare: @escaping @Sendable (Connection) -> Void
  ) async
}
