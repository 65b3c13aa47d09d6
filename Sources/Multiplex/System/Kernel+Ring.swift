internal import CMultiplex
internal import SystemPackage

#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Musl)
  internal import Musl
#endif

// MARK: - io_uring

extension Kernel {
  /// - Parameter parameters: What to set up; the kernel adds what it has set up.
  static func ringSetup(_ entries: UInt32, _ parameters: inout cmx_ring_params) throws(Errno) -> Int32 {
    try perform(.io_uring_setup) { unsafe cmx_io_uring_setup(entries, &parameters) }
  }

  /// Submits, and waits for completions without limit.
  static func ringEnter(_ fd: Int32, submitting count: UInt32, waitingFor wanted: UInt32) throws(Errno) -> Int32 {
    try perform(.io_uring_enter) {
      cmx_io_uring_enter(fd, count, wanted, cmx_ENTER_GETEVENTS, nil, 0)
    }
  }

  /// Submits, and waits for completions for a time: `ETIME` when it is up and nothing was submitted.
  static func ringEnter(
    _ fd: Int32, submitting count: UInt32, waitingFor wanted: UInt32, _ timeout: timespec
  ) throws(Errno) -> Int32 {
    try perform(.io_uring_enter) {
      unsafe withUnsafePointer(to: timeout) { timeout in
        // The kernel takes addresses as numbers. Both live for the time of the call.
        var arguments = cmx_wait_arguments()
        arguments.timeout = UInt64(UInt(bitPattern: timeout))
        return unsafe withUnsafePointer(to: arguments) { arguments in
          unsafe cmx_io_uring_enter(
            fd, count, wanted, cmx_ENTER_GETEVENTS | cmx_ENTER_EXT_ARG, arguments,
            MemoryLayout<cmx_wait_arguments>.size)
        }
      }
    }
  }

  /// Why a poll has failed; nil if it hasn't.
  static func pollFailure(_ completion: Ring.Completion) -> Errno? {
    #if MULTIPLEX_FAULTS
      do {
        try FaultPlan.current?.check(.io_uring_poll)
      } catch {
        return error
      }
    #endif
    return completion.errno
  }

  /// - Parameter argument: Whatever the operation reads or writes.
  static func ringRegister(
    _ fd: Int32, _ operation: UInt32, _ argument: UnsafeMutableRawPointer?, _ count: UInt32
  ) throws(Errno) -> Int32 {
    try perform(.io_uring_register) { unsafe cmx_io_uring_register(fd, operation, argument, count) }
  }

  /// Maps a part of a ring into memory.
  static func mapRing(_ fd: Int32, _ size: Int, at offset: Int64) throws(Errno) -> UnsafeMutableRawPointer {
    try unsafe mapped { unsafe cmx_map_ring(size, fd, offset) }
  }

  /// Maps memory that nothing else uses; its pages are zero, and there once they are touched.
  static func mapAnonymous(_ size: Int) throws(Errno) -> UnsafeMutableRawPointer {
    try unsafe mapped { unsafe cmx_map_anonymous(size) }
  }

  private static func mapped(_ body: () -> UnsafeMutableRawPointer?) throws(Errno) -> UnsafeMutableRawPointer {
    var memory: UnsafeMutableRawPointer?
    _ = try perform(.mmap) {
      unsafe memory = unsafe body()
      return unsafe memory == nil ? -1 : 0
    }
    guard let memory = unsafe memory else { throw .noMemory }
    return unsafe memory
  }

  static func unmap(_ memory: UnsafeMutableRawPointer, _ size: Int) {
    // Fails for addresses that were never mapped alone.
    _ = unsafe munmap(memory, size)
  }

  /// Gives pages back to the system: they are zero when they are used again.
  static func discard(_ memory: UnsafeMutableRawPointer, _ size: Int) {
    // Advice that isn't taken costs memory, and nothing else.
    _ = unsafe madvise(memory, size, Int32(MADV_DONTNEED))
  }

  /// Names the calling thread, among those that run.
  static var currentThread: UInt { UInt(pthread_self()) }
}
