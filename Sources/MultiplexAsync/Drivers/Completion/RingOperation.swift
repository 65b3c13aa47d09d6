/// What a submission does for its handler.
enum RingOperation: UInt8 {
  /// Something that needs no answer.
  case silent
  case wake
  case accept
  case connect
  case receive
  case send
  /// A send that completes only if it fails: the slot is its number among the ``InlineSends``.
  case inlineSend
  case poll

  /// Names the operation and its handler in what the kernel hands back.
  func token(of slot: HandlerTable.Slot) -> UInt64 {
    UInt64(slot) << 8 | UInt64(rawValue)
  }

  /// Of what has no handler.
  static let silentToken = RingOperation.silent.token(of: 0)

  /// - Parameter token: One that was made here.
  init(of token: UInt64) {
    self = RingOperation(rawValue: UInt8(truncatingIfNeeded: token)) ?? .silent
  }

  static func slot(of token: UInt64) -> HandlerTable.Slot {
    HandlerTable.Slot(truncatingIfNeeded: token >> 8)
  }
}
