/// What a descriptor is ready for.
public struct Readiness: OptionSet, Hashable, Sendable {
  /// The bits, with values of this package's own. Most are those of poll and epoll.
  public let rawValue: UInt8

  /// Any bits.
  @inlinable
  public init(rawValue: UInt8) {
    self.rawValue = rawValue
  }

  /// There are bytes or connections to read, or the end of input.
  @inlinable public static var readable: Readiness { Readiness(rawValue: 1) }
  /// There is room to write, or a connection was established or failed.
  @inlinable public static var writable: Readiness { Readiness(rawValue: 4) }
  /// Something exceptional has happened: out-of-band data has arrived, for example.
  @inlinable public static var priority: Readiness { Readiness(rawValue: 2) }
  /// The peer has finished sending; what it sent before may still be there to read.
  @inlinable public static var readClosed: Readiness { Readiness(rawValue: 64) }
  /// Both directions are closed, or the other end of a pipe is gone. Reported whatever the interest.
  @inlinable public static var hangUp: Readiness { Readiness(rawValue: 16) }
  /// An error is pending; the next read or write reports it. Reported whatever the interest.
  @inlinable public static var error: Readiness { Readiness(rawValue: 8) }
  /// The descriptor was closed while it was registered. Reported once, whatever the interest.
  @inlinable public static var invalid: Readiness { Readiness(rawValue: 32) }

  /// Whether a read returns at once, with bytes, the end of input, or an error.
  @inlinable public var isReadable: Bool { !isDisjoint(with: [.readable, .readClosed, .hangUp, .error]) }

  /// Whether a write returns at once, with bytes written or an error.
  @inlinable public var isWritable: Bool { !isDisjoint(with: [.writable, .hangUp, .error]) }

  /// Reported whatever the interest.
  static let always: Readiness = [.hangUp, .error, .invalid]

  /// Everything that is reported for an interest.
  package init(of interest: Interest) {
    // An interest and the matching readiness have the same bit.
    self = Readiness(rawValue: interest.bits).union(.always)
    if interest.contains(.read) { insert(.readClosed) }
  }
}

extension Readiness: CustomStringConvertible {
  /// The names, separated by bars: "readable|hang-up".
  public var description: String {
    let members: [(Readiness, String)] = [
      (.readable, "readable"), (.writable, "writable"), (.priority, "priority"), (.readClosed, "read-closed"),
      (.hangUp, "hang-up"), (.error, "error"), (.invalid, "invalid"),
    ]
    return names(of: members).joined(separator: "|")
  }
}
