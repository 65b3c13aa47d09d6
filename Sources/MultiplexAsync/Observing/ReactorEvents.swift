/// The events that a ``ReactorObserver`` wants. Those it leaves out cost nothing.
public struct ReactorEvents: OptionSet, Hashable, Sendable {
  /// The bits; their meaning is private to this package.
  public let rawValue: UInt8

  /// Makes a set of these bits.
  public init(rawValue: UInt8) {
    self.rawValue = rawValue
  }

  /// What each wait found, and the end of each turn.
  public static let turns = ReactorEvents(rawValue: 1)
  /// Listeners that begin and stop, and connections that can't be accepted.
  public static let listeners = ReactorEvents(rawValue: 2)
  /// Connections that are opened and closed, or couldn't be established.
  public static let connections = ReactorEvents(rawValue: 4)
  /// Bytes that are received, sent and queued.
  public static let transfers = ReactorEvents(rawValue: 8)
  /// Waits that fail, so that the reactor stands still.
  public static let failures = ReactorEvents(rawValue: 16)
  /// Everything.
  public static let all: ReactorEvents = [.turns, .listeners, .connections, .transfers, .failures]
}
