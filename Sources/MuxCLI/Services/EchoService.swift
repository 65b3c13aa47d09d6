import MultiplexAsync

/// RFC 862: sends back what arrives.
enum EchoService: Service {
  static func serve(_ connection: Connection) async throws {
    while let chunk = try await connection.read() {
      try await connection.write(chunk)
    }
  }
}
