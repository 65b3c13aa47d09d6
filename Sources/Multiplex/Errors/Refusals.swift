package import SystemPackage

/// What this package refuses by itself, without asking the kernel.
extension MultiplexError {
  /// - Parameters:
  ///   - what: "poller", "socket".
  ///   - subject: The address concerned, if there is one.
  ///   - descriptor: The one of -1 that a closed ``Socket`` has, where it was given.
  ///   - advice: To make another unless given.
  package static func closed(
    _ what: String, for call: String, descriptor: FileDescriptor? = nil, subject: String? = nil, advice: String? = nil
  ) -> MultiplexError {
    MultiplexError(
      call: call, descriptor: descriptor, subject: subject, reason: .closed, errno: .badFileDescriptor,
      advice: advice ?? "a closed \(what) can't be used any more; make another")
  }

  /// For a descriptor of -1.
  package static func missingDescriptor(for call: String) -> MultiplexError {
    .closed(
      "socket", for: call, descriptor: FileDescriptor(rawValue: noDescriptor),
      advice: "a closed socket can't be used any more, make another; or a C function has failed, and returned this")
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
