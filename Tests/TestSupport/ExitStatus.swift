/// How a process ended.
public enum ExitStatus: Hashable, Sendable {
  /// It returned from main or called exit, with this status.
  case exited(Int32)
  /// A signal ended it.
  case signaled(Int32)

  /// Decodes what waitpid(2) reports; the macros that do so in C can't be called from Swift.
  init(waitStatus: Int32) {
    let signal = waitStatus & 0x7f
    self = signal == 0 ? .exited(waitStatus >> 8 & 0xff) : .signaled(signal)
  }
}
