internal import SystemPackage

/// What this package refuses by itself, without asking the kernel.
extension MultiplexError {
  /// - Parameter what: "poller", "socket".
  package static func closed(_ what: String, for call: String) -> MultiplexError {
    MultiplexError(
      call: call, reason: .closed, errno: .badFileDescriptor,
      advice: "a closed \(what) can't be used any more; make another")
  }

  /// A descriptor of -1, which a closed ``Socket`` has.
  package static func closedDescriptor(for call: String) -> MultiplexError {
    let isNew = call.hasSuffix(".register") || call == "readiness"
    return MultiplexError(
      call: call, descriptor: FileDescriptor(rawValue: noDescriptor), reason: .closed, errno: .badFileDescriptor,
      advice: isNew
        ? "a closed socket can't be used any more; make another"
        : "unregister a socket before it is closed, or by the descriptor that it had")
  }

  /// What was registered could be waited for: that its number can't be any more shows that it was closed.
  static func replaced(_ error: MultiplexError) -> MultiplexError {
    MultiplexError(
      call: error.call, descriptor: error.descriptor, reason: .notOpen, errno: .badFileDescriptor,
      advice: "it was closed before it was unregistered, and its number stands for a file now that has no events")
  }

  static func notRegistered(_ descriptor: FileDescriptor, for call: String) -> MultiplexError {
    MultiplexError(
      call: call, descriptor: descriptor, reason: .notRegistered, errno: .noSuchFileOrDirectory,
      advice: "register it first")
  }

  static func outOfRange(_ argument: String, for call: String, advice: String) -> MultiplexError {
    MultiplexError(call: call, subject: argument, reason: .invalidArgument, errno: .invalidArgument, advice: advice)
  }
}
