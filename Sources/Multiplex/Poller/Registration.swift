/// What a poller knows of one registered descriptor.
struct Registration {
  let key: RegistrationKey
  let token: UInt64
  var interest: Interest
  var mode: TriggerMode
  /// Whether the descriptor was handed over, and is to be closed here.
  let isOwned: Bool
  /// Whether it is reported at all: not so after a one-shot event, or once it was found closed, until it is modified.
  var isArmed = true
  /// Whether the kernel has silenced it by itself, after its one-shot event.
  var hasFired = false

  var descriptor: Int32 { key.descriptor }
}
