import MultiplexAsync

/// A service with a task for each connection.
protocol TaskService: Service {
  /// Serves a connection to its end.
  ///
  /// - Parameters:
  ///   - connection: The connection.
  ///   - isStopping: Whether the server is stopping.
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
