public import SystemPackage

extension Errno {
  /// "Not now": a call would have to wait. POSIX allows two numbers for that, which are one on Linux (EAGAIN, EWOULDBLOCK).
  @inlinable package static var tryAgain: Errno { .resourceTemporarilyUnavailable }
}
