package import SystemPackage

/// Errors that this package throws without calling the kernel.
extension MultiplexError {
  /// - Parameters:
  ///   - what: What was closed, such as "poller" or "socket".
  ///   - call: The operation.
  ///   - descriptor: -1, where a closed ``Socket`` was passed.
  ///   - subject: The address concerned, if any.
  ///   - advice: What to do; by default, to make another.
  package static func closed(
    _ what: String, for call: String, descriptor: FileDescriptor? = nil, subject: String? = nil, advice: String? = nil
  ) -> MultiplexError {
    MultiplexError(
      call: call, descriptor: descriptor, subject: subject, reason: .closed, errno: .badFileDescriptor,
      advice: advice ?? "a closed \(what) can't be used again; make another")
  }

  /// For a descriptor of -1.
  package static func missingDescriptor(for call: String) -> MultiplexError {
    .closed(
      "socket", for: call, descriptor: FileDescriptor(rawValue: noDescriptor),
      advice: "a closed socket can't be used again; make another, or check whether a C function failed and returned -1")
  }

  /// For a registered descriptor that can no longer be polled: that shows that it was closed, and its number reused.
  static func replaced(_ error: MultiplexError) -> MultiplexError {
    MultiplexError(
      call: error.call, descriptor: error.descriptor, reason: .notOpen, errno: .badFileDescriptor,
      advice: "it was closed before it was unregistered, and its number now belongs to a file that can't be polled")
  }

  static func notRegistered(_ descriptor: FileDescriptor, for call: String) -> MultiplexError {
    guard descriptor.rawValue != noDescriptor else {
      return .closed(
        "socket", for: call, descriptor: descriptor,
        advice: "unregister a socket before it is closed, or by the descriptor that it had")
    }
    return MultiplexError(
      call: call, descriptor: descriptor, reason: .notRegistered, errno: .noSuchFileOrDirectory,
      advice: "register it first")
  }

  static func outOfRange(_ argument: String, for call: String, advice: String) -> MultiplexError {
    MultiplexError(call: call, subject: argument, reason: .invalidArgument, errno: .invalidArgument, advice: advice)
  }
}
