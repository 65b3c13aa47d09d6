/// A descriptor registered with a poller.
struct Registration {
  let key: RegistrationKey
  var token: UInt64
  var interest: Interest
  var mode: TriggerMode
  /// Whether the descriptor was handed over, and is closed by the poller; no longer, once it was found closed.
  var isOwned: Bool
  var state = State.armed

  /// Whether it is reported.
  enum State {
    case armed
    /// It has had its one-shot event, and isn't reported until it is modified. The kernel has silenced it itself.
    case fired
    /// It was found closed, and isn't reported until it is modified.
    case closed
  }

  var descriptor: Int32 { key.descriptor }

  /// A re-armed copy with another interest and mode.
  func armed(for interest: Interest, mode: TriggerMode) -> Registration {
    var copy = self
    copy.interest = interest
    copy.mode = mode
    copy.state = .armed
    return copy
  }
}
