import SystemPackage

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// What the kernel knows of a file.
enum FileStatus {
  /// The status of the file that a path leads to, possibly through links.
  static func of(_ path: String) throws(Errno) -> stat {
    var status = stat()
    guard unsafe stat(path, &status) == 0 else { throw Errno(rawValue: errno) }
    return status
  }

  /// The status of an open file.
  static func of(_ file: FileDescriptor) throws(Errno) -> stat {
    var status = stat()
    guard unsafe fstat(file.rawValue, &status) == 0 else { throw Errno(rawValue: errno) }
    return status
  }

  /// The status of the file at a path, which may be a link.
  static func withoutFollowing(_ path: String) throws(Errno) -> stat {
    var status = stat()
    guard unsafe lstat(path, &status) == 0 else { throw Errno(rawValue: errno) }
    return status
  }
}
