/// What handles each connection of a listener.
enum ServingMode: Sendable {
  /// Its own task.
  case tasks(@Sendable (Connection) async throws -> Void)
  /// The loop itself, with a chunk handler made for the connection.
  case loop(@Sendable (Connection) -> ChunkHandler)
}
