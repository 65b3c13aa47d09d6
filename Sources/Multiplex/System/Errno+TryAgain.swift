public import SystemPackage

extension Errno {
  /// "Not now": a call would have to wait. POSIX allows two numbers for that (EAGAIN, EWOULDBLOCK), which are equal on
  /// Linux.
  @inlinable package static var tryAgain: Errno { .resourceTemporarilyUnavailable }
}
