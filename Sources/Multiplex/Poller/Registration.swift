/// What a poller knows of one registered descriptor.
struct Registration {
  let key: RegistrationKey
  var token: UInt64
  var interest: Interest
  var mode: TriggerMode
  /// Whether the descriptor was handed over, and is to be closed here.
  let isOwned: Bool
  /// Whether it is reported at all: not so after a one-shot event, or once it was found closed, until it is modified.
  var isArmed = true
  /// Whether the kernel has silenced it by itself, after its one-shot event.
  var hasFired = false

  var descriptor: Int32 { key.descriptor }

  /// The same for something else, and to be reported again.
  func armed(for interest: Interest, mode: TriggerMode) -> Registration {
    var copy = self
    copy.interest = interest
    copy.mode = mode
    copy.isArmed = true
    copy.hasFired = false
    return copy
  }
}
