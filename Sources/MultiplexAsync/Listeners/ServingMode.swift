/// What deals with each connection of a listener.
enum ServingMode: Sendable {
  /// A task of its own.
  case tasks(@Sendable (Connection) async throws -> Void)
  /// The loop itself, with a handler that is made for it.
  case loop(@Sendable (Connection) -> ChunkHandler)
}
