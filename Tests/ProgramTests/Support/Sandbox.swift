import TestSupport

/// A seccomp filter that forbids io_uring, like those of many container runtimes.
enum Sandbox {
  /// Starts a program in which every io_uring_setup fails with EPERM. Needs python3.
  static func withoutRing(_ program: String, _ arguments: [String]) throws -> ChildProcess {
    try ChildProcess("python3", ["-c", script, program] + arguments)
  }

  /// A filter of four instructions: load the call's number (425 on every architecture), compare, refuse, allow.
  private static let script = """
    import ctypes, os, struct, sys
    libc = ctypes.CDLL(None, use_errno=True)
    code = [(0x20, 0, 0, 0), (0x15, 0, 1, 425), (0x06, 0, 0, 0x00050001), (0x06, 0, 0, 0x7FFF0000)]
    program = ctypes.create_string_buffer(b"".join(struct.pack("<HBBI", *line) for line in code))
    rules = ctypes.create_string_buffer(struct.pack("<H6xQ", len(code), ctypes.addressof(program)))
    no_new_privileges, seccomp, filter_mode = 38, 22, 2
    assert libc.prctl(no_new_privileges, 1, 0, 0, 0) == 0
    assert libc.prctl(seccomp, filter_mode, rules, 0, 0) == 0
    os.execvp(sys.argv[1], sys.argv[1:])
    """
}
