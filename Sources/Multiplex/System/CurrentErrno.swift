internal import SystemPackage

#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Musl)
  internal import Musl
#endif

extension Errno {
  /// Why the calling thread's last system call failed.
  static var current: Errno { Errno(rawValue: errno) }
}
