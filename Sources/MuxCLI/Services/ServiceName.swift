import ArgumentParser
import MultiplexAsync

/// The value of `--service`.
enum ServiceName: String, CaseIterable, ExpressibleByArgument {
  case echo, discard, chargen, daytime

  /// Serves all that comes to a listener, until it is closed.
  ///
  /// - Parameter prepare: Is done first with each connection.
  func serve(
    _ listener: ListenerGroup, within limit: ConnectionLimit, after prepare: @escaping @Sendable (Connection) -> Void
  ) async {
    switch self {
    case .echo: await Self.serve(listener, within: limit, by: EchoService.self, after: prepare)
    case .discard: await Self.serve(listener, within: limit, by: DiscardService.self, after: prepare)
    case .chargen: await Self.serve(listener, within: limit, by: ChargenService.self, after: prepare)
    case .daytime: await Self.serve(listener, within: limit, by: DaytimeService.self, after: prepare)
    }
  }

  private static func serve<Served: ChunkService>(
    _ listener: ListenerGroup, within limit: ConnectionLimit, by service: Served.Type,
    after prepare: @escaping @Sendable (Connection) -> Void
  ) async {
    await listener.serveChunks(within: limit) { connection in
      prepare(connection)
      return Served.handle
    }
  }

  private static func serve<Served: Service>(
    _ listener: ListenerGroup, within limit: ConnectionLimit, by service: Served.Type,
    after prepare: @escaping @Sendable (Connection) -> Void
  ) async {
    await listener.serve(within: limit) { connection in
      prepare(connection)
      try await Served.serve(connection)
    }
  }
}
