import MultiplexAsync

/// RFC 863: throws away what arrives, and says nothing.
enum DiscardService: Service {
  static func serve(_ connection: Connection) async throws {
    while try await connection.read() != nil {}
  }
}
