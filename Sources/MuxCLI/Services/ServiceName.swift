import ArgumentParser
import MultiplexAsync

/// The value of `--service`: what a server does with each connection.
enum ServiceName: String, CaseIterable, ExpressibleByArgument {
  case echo, discard, chargen, daytime

  /// Serves one connection to its end.
  var handler: @Sendable (Connection) async throws -> Void {
    switch self {
    case .echo: { try await EchoService.serve($0) }
    case .discard: { try await DiscardService.serve($0) }
    case .chargen: { try await ChargenService.serve($0) }
    case .daytime: { try await DaytimeService.serve($0) }
    }
  }
}
