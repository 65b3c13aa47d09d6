internal import CMultiplex
package import SystemPackage

/// The interface between this package and the kernel: the library makes every system call here, one function each,
/// except those by which the C library resolves names, and the reads of ``SystemFile``.
///
/// Nothing is retried, translated or cached here; a function returns what the kernel returned, or throws its `errno`.
/// Debug builds let a `FaultPlan` answer in the kernel's place.
package enum Kernel {
  @inline(__always)
  static func perform<Result: SignedInteger>(
    _ call: SystemCall, _ body: () -> Result
  ) throws(Errno) -> Result {
    #if MULTIPLEX_FAULTS
      try FaultPlan.current?.check(call)
    #endif
    let result = body()
    guard result >= 0 else { throw .current }
    return result
  }

  /// How many of `count` bytes to request from the kernel.
  @inline(__always)
  static func granted(_ count: Int) -> Int {
    #if MULTIPLEX_FAULTS
      return FaultPlan.current?.shorten(count) ?? count
    #else
      return count
    #endif
  }
}

// MARK: - Any descriptor

extension Kernel {
  /// Linux releases the descriptor even if it returns EINTR, so a close must never be retried.
  package static func close(_ fd: Int32) throws(Errno) {
    _ = try perform(.close) { CMultiplex.close(fd) }
  }

  package static func read(_ fd: Int32, _ buffer: UnsafeMutableRawBufferPointer) throws(Errno) -> Int {
    try perform(.read) { unsafe CMultiplex.read(fd, buffer.baseAddress, granted(buffer.count)) }
  }

  package static func write(_ fd: Int32, _ bytes: UnsafeRawBufferPointer) throws(Errno) -> Int {
    try perform(.write) { unsafe CMultiplex.write(fd, bytes.baseAddress, granted(bytes.count)) }
  }

  /// Reads from an eventfd, a signalfd or a timerfd, which return whole records or nothing: fault plans don't cut them
  /// short.
  package static func readRecord(_ fd: Int32, _ buffer: UnsafeMutableRawBufferPointer) throws(Errno) -> Int {
    try perform(.read) { unsafe CMultiplex.read(fd, buffer.baseAddress, buffer.count) }
  }

  /// Writes to an eventfd, which accepts the whole integer or nothing.
  package static func writeRecord(_ fd: Int32, _ bytes: UnsafeRawBufferPointer) throws(Errno) {
    _ = try perform(.write) { unsafe CMultiplex.write(fd, bytes.baseAddress, bytes.count) }
  }

  package static func fcntl(_ fd: Int32, _ command: Int32, _ argument: Int32 = 0) throws(Errno) -> Int32 {
    try perform(.fcntl) { cmx_fcntl(fd, command, argument) }
  }

  package static var duplicateCloseOnExec: Int32 { cmx_F_DUPFD_CLOEXEC }

  /// Makes `target` another descriptor of the same open file, close-on-exec. The previous file of `target` is closed.
  package static func duplicate(_ fd: Int32, as target: Int32) throws(Errno) {
    _ = try perform(.dup3) { cmx_dup3(fd, target, cmx_O_CLOEXEC) }
  }

  package static func isOpen(_ fd: Int32) -> Bool {
    (try? fcntl(fd, F_GETFD)) != nil
  }

  package static func eventfd() throws(Errno) -> Int32 {
    try perform(.eventfd) { CMultiplex.eventfd(0, cmx_EFD_FLAGS) }
  }

  /// Adds one to an eventfd, which makes it readable.
  static func raiseEvent(_ fd: Int32) throws(Errno) {
    let one: UInt64 = 1
    try unsafe withUnsafeBytes(of: one) { bytes throws(Errno) in try unsafe writeRecord(fd, bytes) }
  }

  /// Resets an eventfd to zero. If there is nothing to read, it already is zero.
  static func resetEvent(_ fd: Int32) {
    var count: UInt64 = 0
    _ = unsafe withUnsafeMutableBytes(of: &count) { bytes in try? unsafe readRecord(fd, bytes) }
  }
}
