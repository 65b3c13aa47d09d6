import MultiplexAsync

/// A service that has a task for each connection.
protocol TaskService: Service {
  /// Serves a connection to its end.
  ///
  /// - Parameter isStopping: Whether the server was told to stop.
  static func serve(_ connection: Connection, isStopping: @Sendable () -> Bool) async throws
}

extension TaskService {
  static func serve(
    _ listener: ListenerGroup, limitedTo limit: ConnectionLimit, isStopping: @escaping @Sendable () -> Bool,
    after prepare: @escaping @Sendable (Connection) -> Void
  ) async {
    await listener.serve(limitedTo: limit) { connection in
      prepare(connection)
      try await serve(connection, isStopping: isStopping)
    }
  }
}
