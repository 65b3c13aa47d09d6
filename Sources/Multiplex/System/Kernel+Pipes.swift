internal import CMultiplex
package import SystemPackage

extension Kernel {
  package static func pipe() throws(Errno) -> (reader: Int32, writer: Int32) {
    var ends: [2 of Int32] = [-1, -1]
    _ = try perform(.pipe2) {
      // The two elements are adjacent, as in C's int[2].
      unsafe withUnsafeMutableBytes(of: &ends) { bytes in
        unsafe cmx_pipe2(bytes.baseAddress?.assumingMemoryBound(to: Int32.self), cmx_PIPE_FLAGS)
      }
    }
    return (ends[0], ends[1])
  }

  /// Moves bytes received by a non-blocking socket into a pipe, if possible without copying them.
  package static func splice(fromSocket fd: Int32, to pipe: Int32, _ count: Int) throws(Errno) -> Int {
    try perform(.splice) { cmx_splice(fd, pipe, granted(count)) }
  }

  /// Sends bytes from a pipe on a non-blocking socket, if possible without copying them.
  package static func splice(fromPipe pipe: Int32, to fd: Int32, _ count: Int) throws(Errno) -> Int {
    try perform(.splice) { cmx_splice_to_socket(pipe, fd, granted(count)) }
  }

  /// Writes to a pipe, or anything else, without SIGPIPE.
  package static func writeQuietly(_ fd: Int32, _ bytes: UnsafeRawBufferPointer) throws(Errno) -> Int {
    try perform(.write) { unsafe cmx_write_quietly(fd, bytes.baseAddress, granted(bytes.count)) }
  }

  /// How many bytes in a pipe nobody has read yet.
  package static func unreadCount(ofPipe fd: Int32) throws(Errno) -> Int {
    var count: Int32 = 0
    _ = try perform(.ioctl) { unsafe cmx_unread_count(fd, &count) }
    return Int(count)
  }

  /// Sets the capacity of a pipe in bytes, and returns the new one: the kernel may round it up.
  package static func setCapacity(ofPipe fd: Int32, _ count: Int) throws(Errno) -> Int {
    Int(try fcntl(fd, cmx_F_SETPIPE_SZ, Int32(clamping: count)))
  }
}
