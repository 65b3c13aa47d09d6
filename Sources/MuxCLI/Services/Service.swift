import ArgumentParser

/// What a server does with each connection. One value serves one connection.
protocol Service {
  /// Whether what arrives is sent back; if not, it is thrown away.
  var returnsInput: Bool { get }

  /// When a connection has had all there is.
  var end: ServiceEnd { get }

  /// What to send next without being asked; nil if that is nothing (any more). Asked for again whenever the peer has
  /// taken what came before.
  mutating func output() -> [UInt8]?
}

/// What brings a service to its end.
enum ServiceEnd {
  /// The peer has finished sending, and has all that it is owed.
  case input
  /// The service has no more to say.
  case output
  /// Nothing but the peer's going away.
  case never
}

extension Service {
  mutating func output() -> [UInt8]? { nil }
}

/// The value of `--service`.
enum ServiceName: String, CaseIterable, ExpressibleByArgument {
  case echo, discard, chargen, daytime

  /// Whether connections end with our side, and wait for the peer's.
  var lingers: Bool { makeService().end == .output }

  func makeService() -> any Service {
    switch self {
    case .echo: EchoService()
    case .discard: DiscardService()
    case .chargen: ChargenService()
    case .daytime: DaytimeService()
    }
  }
}
