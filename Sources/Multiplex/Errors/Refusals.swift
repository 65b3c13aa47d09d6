package import SystemPackage

/// What this package refuses by itself, without asking the kernel.
extension MultiplexError {
  /// - Parameters:
  ///   - what: "poller", "socket".
  ///   - descriptor: The one of -1 that a closed ``Socket`` has, where it was given.
  ///   - advice: To make another unless given.
  package static func closed(
    _ what: String, for call: String, descriptor: FileDescriptor? = nil, advice: String? = nil
  ) -> MultiplexError {
    MultiplexError(
      call: call, descriptor: descriptor, reason: .closed, errno: .badFileDescriptor,
      advice: advice ?? "a closed \(what) can't be used any more; make another")
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
