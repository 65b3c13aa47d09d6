import ArgumentParser
import MultiplexAsync

/// The value of `--service`.
enum ServiceName: String, CaseIterable, ExpressibleByArgument {
  case echo, discard, chargen, daytime

  /// What to do with each connection.
  ///
  /// - Parameter prepare: Is done first.
  func handler(
    after prepare: @escaping @Sendable (Connection) async -> Void
  ) -> @Sendable (Connection) async throws -> Void {
    switch self {
    case .echo: Self.handler(EchoService.self, after: prepare)
    case .discard: Self.handler(DiscardService.self, after: prepare)
    case .chargen: Self.handler(ChargenService.self, after: prepare)
    case .daytime: Self.handler(DaytimeService.self, after: prepare)
    }
  }

  /// One closure for each service, as each that calls another would cost every idle connection a frame.
  private static func handler<Served: Service>(
    _ service: Served.Type, after prepare: @escaping @Sendable (Connection) async -> Void
  ) -> @Sendable (Connection) async throws -> Void {
    { connection in
      await prepare(connection)
      try await Served.serve(connection)
    }
  }
}
