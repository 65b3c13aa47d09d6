/// The kind of a handler's operation.
enum RingOperation: UInt8 {
  /// An operation whose completion doesn't matter.
  case silent
  case wake
  case accept
  case connect
  case receive
  /// A wait for input that calls of our own receive.
  case input
  /// A wait for room to send.
  case room
  /// A send that has a completion only if it fails: the slot is its number among the ``InlineSends``.
  case inlineSend
  case poll

  /// Names the operation and its handler in completions.
  func token(of slot: HandlerTable.Slot) -> UInt64 {
    UInt64(slot) << 8 | UInt64(rawValue)
  }

  /// The token of operations without a handler.
  static let silentToken = RingOperation.silent.token(of: 0)

  /// - Parameter token: One made by this type.
  init(of token: UInt64) {
    self = RingOperation(rawValue: UInt8(truncatingIfNeeded: token)) ?? .silent
  }

  static func slot(of token: UInt64) -> HandlerTable.Slot {
    HandlerTable.Slot(truncatingIfNeeded: token >> 8)
  }
}
