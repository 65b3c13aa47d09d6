internal import CMultiplex
internal import SystemPackage

extension Kernel {
  /// - Parameters:
  ///   - entries: Room for submissions.
  ///   - parameters: What to set up; the kernel fills in what it has set up.
  static func ringSetup(_ entries: UInt32, _ parameters: inout cmx_ring_params) throws(Errno) -> Int32 {
    try perform(.io_uring_setup) { unsafe cmx_io_uring_setup(entries, &parameters) }
  }

  /// Submits, and waits for completions without limit.
  static func ringEnter(_ fd: Int32, submitting count: UInt32, waitingFor wanted: UInt32) throws(Errno) -> Int32 {
    try perform(.io_uring_enter) {
      cmx_io_uring_enter(fd, count, wanted, cmx_ENTER_GETEVENTS, nil, 0)
    }
  }

  /// Submits, and waits for completions until the time is up: `ETIME` if nothing was submitted.
  static func ringEnter(
    _ fd: Int32, submitting count: UInt32, waitingFor wanted: UInt32, _ timeout: timespec
  ) throws(Errno) -> Int32 {
    try perform(.io_uring_enter) {
      unsafe withUnsafePointer(to: timeout) { timeout in
        // The kernel takes addresses as integers. Both are valid for the duration of the call.
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

  /// - Parameters:
  ///   - fd: The ring's descriptor.
  ///   - operation: One of `IORING_REGISTER_*`.
  ///   - argument: The memory that the operation reads or writes.
  ///   - count: Its number of elements.
  static func ringRegister(
    _ fd: Int32, _ operation: UInt32, _ argument: UnsafeMutableRawPointer?, _ count: UInt32
  ) throws(Errno) -> Int32 {
    try perform(.io_uring_register) { unsafe cmx_io_uring_register(fd, operation, argument, count) }
  }
}
