/// What a ``ReactorObserver`` is told. What it leaves out costs it nothing.
public struct ReactorEvents: OptionSet, Hashable, Sendable {
  /// The bits; their values belong to this package.
  public let rawValue: UInt8

  /// Any bits.
  public init(rawValue: UInt8) {
    self.rawValue = rawValue
  }

  /// What each wait has found, and the end of each turn.
  public static let turns = ReactorEvents(rawValue: 1)
  /// Listeners that come and go, and connections that can't be accepted.
  public static let listeners = ReactorEvents(rawValue: 2)
  /// Connections that come and go.
  public static let connections = ReactorEvents(rawValue: 4)
  /// Bytes that come, go and wait.
  public static let transfers = ReactorEvents(rawValue: 8)
  /// Everything.
  public static let all: ReactorEvents = [.turns, .listeners, .connections, .transfers]
}
