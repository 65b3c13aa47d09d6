import MultiplexAsync

/// A service that has a task for each connection.
protocol TaskService: Service {
  /// Serves a connection to its end.
  static func serve(_ connection: Connection) async throws
}

extension TaskService {
  static func serve(
    _ listener: ListenerGroup, within limit: ConnectionLimit, after prepare: @escaping @Sendable (Connection) -> Void
  ) async {
    await listener.serve(within: limit) { connection in
      prepare(connection)
      try await serve(connection)
    }
  }
}
