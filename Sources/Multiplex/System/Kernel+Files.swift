internal import CMultiplex
package import SystemPackage

extension Kernel {
  /// Returns the type and mode of a file, without following a symbolic link.
  package static func fileMode(_ path: String) throws(Errno) -> UInt32 {
    var status = stat()
    _ = try perform(.lstat) { unsafe lstat(path, &status) }
    return status.st_mode
  }

  /// Returns the type and mode of an open file.
  static func fileMode(_ fd: Int32) throws(Errno) -> UInt32 {
    var status = stat()
    _ = try perform(.fstat) { unsafe fstat(fd, &status) }
    return status.st_mode
  }

  /// Opens a directory, to lock it.
  static func openDirectory(_ path: String) throws(Errno) -> Int32 {
    try perform(.open) { unsafe cmx_open(path, cmx_DIRECTORY_FLAGS) }
  }

  /// Locks a file exclusively (advisory), without waiting; closing the descriptor unlocks it.
  package static func lock(_ fd: Int32) throws(Errno) {
    _ = try perform(.flock) { cmx_flock(fd, LOCK_EX | LOCK_NB) }
  }

  package static func unlink(_ path: String) throws(Errno) {
    _ = try perform(.unlink) { unsafe CMultiplex.unlink(path) }
  }
}
