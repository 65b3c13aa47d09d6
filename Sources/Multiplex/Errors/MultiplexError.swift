public import SystemPackage

/// What went wrong: the call, what it was made on, the kernel's answer, and what to do about it where there is
/// something to do.
///
/// Every operation of this package throws this one type. Programs decide by ``reason`` (or ``errno``); people read
/// ``description``:
///
///     epoll_ctl on descriptor 7: Operation not permitted; epoll can't wait for regular files ...
public struct MultiplexError: Error, Hashable, Sendable {
  /// The kinds of failure that a program may want to tell apart.
  public enum Reason: Hashable, Sendable {
    /// The kernel refused; ``MultiplexError/errno`` says why.
    case system
    /// The descriptor is registered already (EEXIST).
    case alreadyRegistered
    /// The descriptor isn't registered (ENOENT).
    case notRegistered
    /// The poller, multiplexer, epoll instance or socket was closed before the call (EBADF).
    case closed
    /// The descriptor is negative, was closed, or never was open (EBADF).
    case notOpen
    /// The kernel can't wait for this kind of descriptor, such as a regular file in epoll (EPERM).
    case notPollable
    /// The process or the system has as many open files as it may (EMFILE, ENFILE).
    case openFileLimit
    /// An argument is out of its range, or means nothing to the call (EINVAL).
    case invalidArgument
    /// A text is no address, or a name has none (EINVAL).
    case unknownAddress
  }

  /// The C function that failed, or the operation of this package that refused.
  public let call: String
  /// The descriptor that the call was made on, if it was made on one.
  public let descriptor: FileDescriptor?
  /// The address, path or argument concerned, if there is one.
  public let subject: String?
  /// What kind of failure it is.
  public let reason: Reason
  /// The kernel's answer, or the closest error number where this package refused before asking the kernel.
  public let errno: Errno
  /// What to do about it, if there is anything.
  public let advice: String?

  /// Describes a failure that was found without the kernel.
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

  /// What happened, and what to do, without what it happened to.
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

  /// The C library's words for an error number ("Connection refused").
  private static func message(of errno: Errno) -> String {
    errno.description
  }
}
