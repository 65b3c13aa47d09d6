public import SystemPackage

/// What went wrong: the call, its object, the kernel's error, and what to do about it, if anything.
///
/// Every operation of this package throws this type. Programs should check ``reason`` (or ``errno``); ``description``
/// is for people:
///
///     epoll_ctl on descriptor 7: Operation not permitted; epoll can't wait for regular files ...
///
/// The operations declare it, so a plain `catch` has an error of this type. Swift 6.3 may crash while it compiles a
/// `catch let error as MultiplexError` where nothing else is thrown.
public struct MultiplexError: Error, Hashable, Sendable {
  /// The kinds of failure that a program may want to distinguish.
  public enum Reason: Hashable, Sendable {
    /// The kernel reported an error: see ``MultiplexError/errno``.
    case system
    /// The descriptor is already registered (EEXIST).
    case alreadyRegistered
    /// The descriptor isn't registered (ENOENT).
    case notRegistered
    /// The poller, multiplexer, epoll instance or socket was closed before the call (EBADF).
    case closed
    /// The descriptor is negative, was closed, or was never open (EBADF).
    case notOpen
    /// The kernel can't wait for this kind of descriptor, such as a regular file in epoll (EPERM).
    case notPollable
    /// The process or the system has reached its open-file limit (EMFILE, ENFILE).
    case openFileLimit
    /// An argument is out of range, or has no meaning for the call (EINVAL).
    case invalidArgument
    /// A text isn't an address, or a name has no address (EINVAL).
    case unknownAddress
  }

  /// The C function, or the operation of this package, that failed.
  public let call: String
  /// The descriptor that the call was made on, if any.
  public let descriptor: FileDescriptor?
  /// The address, path or argument concerned, if any.
  public let subject: String?
  /// The kind of failure.
  public let reason: Reason
  /// The kernel's error number, or the closest one if this package refused without calling the kernel.
  public let errno: Errno
  /// What to do about it, if anything.
  public let advice: String?

  /// Describes a failure that was found without calling the kernel.
  public init(
    call: String, descriptor: FileDescriptor? = nil, subject: String? = nil, reason: Reason, errno: Errno,
    advice: String? = nil
  ) {
    self.call = call
    self.descriptor = descriptor
    self.subject = subject
    self.reason = reason
    self.errno = errno
    self.advice = advice
  }

  /// Describes a failed system call; the reason and the advice follow from the call and its error number.
  public init(call: String, descriptor: FileDescriptor? = nil, subject: String? = nil, errno: Errno) {
    self.init(
      call: call, descriptor: descriptor, subject: subject, reason: Self.reason(of: errno, from: call), errno: errno,
      advice: Self.advice(on: errno, from: call))
  }
}

extension MultiplexError: CustomStringConvertible {
  /// One line: the call, what it was made on, what happened, and what to do.
  public var description: String {
    var text = call
    if let subject { text += " \(subject)" }
    if let descriptor { text += " on descriptor \(descriptor.rawValue)" }
    return "\(text): \(explanation)"
  }

  /// What happened and what to do, without the call and its object.
  package var explanation: String {
    guard let advice else { return problem }
    return "\(problem); \(advice)"
  }

  private var problem: String {
    switch reason {
    case .alreadyRegistered: "already registered"
    case .notRegistered: "not registered"
    case .closed: "already closed"
    case .unknownAddress: isLookupFailure ? "no such host or service is known" : "not an address"
    case .system, .notOpen, .notPollable, .openFileLimit, .invalidArgument: Self.message(of: errno)
    }
  }

  /// The C library's message for an error number ("Connection refused").
  private static func message(of errno: Errno) -> String {
    errno.description
  }
}
