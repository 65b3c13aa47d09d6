/// A descriptor registered with a poller.
struct Registration {
  let key: RegistrationKey
  var token: UInt64
  var interest: Interest
  var mode: TriggerMode
  /// Whether the descriptor was handed over, and is closed by the poller; no longer, once it was found closed.
  var isOwned: Bool
  /// Whether it is reported at all: after a one-shot event, or once it was found closed, only when it has been
  /// modified.
  var isArmed = true
  /// Whether the kernel itself has silenced it, after its one-shot event.
  var hasFired = false

  var descriptor: Int32 { key.descriptor }

  /// A re-armed copy with another interest and mode.
  func armed(for interest: Interest, mode: TriggerMode) -> Registration {
    var copy = self
    copy.interest = interest
    copy.mode = mode
    copy.isArmed = true
    copy.hasFired = false
    return copy
  }
}
