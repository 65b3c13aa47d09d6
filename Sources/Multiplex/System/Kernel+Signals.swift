internal import CMultiplex
internal import SystemPackage

extension Kernel {
  /// Blocks signals in the calling thread, and returns those that were blocked before.
  static func blockSignals(_ signals: sigset_t) throws(Errno) -> sigset_t {
    var signals = signals
    var previous = sigset_t()
    // pthread_sigmask returns its error instead of setting errno.
    let status = unsafe pthread_sigmask(SIG_BLOCK, &signals, &previous)
    guard status == 0 else { throw Errno(rawValue: status) }
    return previous
  }

  static func unblockSignals(_ signals: sigset_t) {
    var signals = signals
    _ = unsafe pthread_sigmask(SIG_UNBLOCK, &signals, nil)
  }

  /// Takes a pending signal that is blocked, without waiting; false if there is none.
  static func takePendingSignal(of signals: sigset_t) -> Bool {
    var signals = signals
    var now = timespec()
    return (try? perform(.sigtimedwait) { unsafe sigtimedwait(&signals, nil, &now) }) != nil
  }

  static func signalfd(_ signals: sigset_t) throws(Errno) -> Int32 {
    var signals = signals
    return try perform(.signalfd) { unsafe CMultiplex.signalfd(-1, &signals, cmx_SFD_FLAGS) }
  }

  /// Installs the handler of ``SignalCatcher`` for a signal, and returns the previous disposition.
  static func catchSignal(_ signal: Int32) throws(Errno) -> sigaction {
    var previous = sigaction()
    _ = try perform(.sigaction) { unsafe cmx_signal_install(signal, &previous) }
    return previous
  }

  static func restoreSignal(_ signal: Int32, _ previous: sigaction) {
    var previous = previous
    _ = unsafe cmx_signal_restore(signal, &previous)
  }
}
