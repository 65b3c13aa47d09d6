import ArgumentParser

/// The value of `--service`.
enum ServiceName: String, CaseIterable, ExpressibleByArgument {
  case echo, discard, chargen, daytime

  /// The service with this name.
  var type: any Service.Type {
    switch self {
    case .echo: EchoService.self
    case .discard: DiscardService.self
    case .chargen: ChargenService.self
    case .daytime: DaytimeService.self
    }
  }
}
