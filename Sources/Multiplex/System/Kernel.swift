internal import CMultiplex
package import SystemPackage

/// The seam between this package and the kernel: every system call of the library is made here, one function each, but for
/// those that the C library makes to resolve a name, and the reading of ``SystemFile``.
///
/// Nothing is retried, translated or remembered here; a call returns what the kernel returned, or throws its `errno`.
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

  /// How many bytes of `count` to ask the kernel for.
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
  /// Linux frees the descriptor even where it answers EINTR, so a close is never repeated.
  package static func close(_ fd: Int32) throws(Errno) {
    _ = try perform(.close) { CMultiplex.close(fd) }
  }

  package static func read(_ fd: Int32, _ buffer: UnsafeMutableRawBufferPointer) throws(Errno) -> Int {
    try perform(.read) { unsafe CMultiplex.read(fd, buffer.baseAddress, granted(buffer.count)) }
  }

  package static func write(_ fd: Int32, _ bytes: UnsafeRawBufferPointer) throws(Errno) -> Int {
    try perform(.write) { unsafe CMultiplex.write(fd, bytes.baseAddress, granted(bytes.count)) }
  }

  /// Reads from an eventfd, a signalfd or a timerfd, which hand over whole records or nothing: no plan cuts them short.
  package static func readRecord(_ fd: Int32, _ buffer: UnsafeMutableRawBufferPointer) throws(Errno) -> Int {
    try perform(.read) { unsafe CMultiplex.read(fd, buffer.baseAddress, buffer.count) }
  }

  /// Writes to an eventfd, which takes the whole number or nothing.
  package static func writeRecord(_ fd: Int32, _ bytes: UnsafeRawBufferPointer) throws(Errno) {
    _ = try perform(.write) { unsafe CMultiplex.write(fd, bytes.baseAddress, bytes.count) }
  }

  package static func fcntl(_ fd: Int32, _ command: Int32, _ argument: Int32 = 0) throws(Errno) -> Int32 {
    try perform(.fcntl) { cmx_fcntl(fd, command, argument) }
  }

  package static var duplicateCloseOnExec: Int32 { cmx_F_DUPFD_CLOEXEC }

  /// Makes `target` another descriptor of the same open file, close-on-exec; what it was before is closed.
  package static func duplicate(_ fd: Int32, as target: Int32) throws(Errno) {
    _ = try perform(.dup3) { cmx_dup3(fd, target, cmx_O_CLOEXEC) }
  }

  package static func isOpen(_ fd: Int32) -> Bool {
    (try? fcntl(fd, F_GETFD)) != nil
  }

  package static func eventfd() throws(Errno) -> Int32 {
    try perform(.eventfd) { CMultiplex.eventfd(0, cmx_EFD_FLAGS) }
  }

  /// Raises an eventfd by one, which makes it readable.
  static func raiseEvent(_ fd: Int32) throws(Errno) {
    let one: UInt64 = 1
    try unsafe withUnsafeBytes(of: one) { bytes throws(Errno) in try unsafe writeRecord(fd, bytes) }
  }

  /// Takes an eventfd back to zero. If there is nothing to read, there is nothing to take back.
  static func resetEvent(_ fd: Int32) {
    var count: UInt64 = 0
    _ = unsafe withUnsafeMutableBytes(of: &count) { bytes in try? unsafe readRecord(fd, bytes) }
  }
}
