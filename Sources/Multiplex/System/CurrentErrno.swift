internal import SystemPackage

#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Musl)
  internal import Musl
#endif

extension Errno {
  /// The error of the calling thread's last failed system call.
  static var current: Errno { Errno(rawValue: errno) }
}
