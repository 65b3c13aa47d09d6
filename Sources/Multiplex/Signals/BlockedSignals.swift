internal import CMultiplex
internal import SystemPackage

/// The signals that are blocked in the calling thread because a ``SignalDescriptor`` wants them, and how many of these
/// want each.
///
/// A signal that was blocked before isn't counted here, and stays blocked.
enum BlockedSignals {
  /// Blocks signals in the calling thread.
  ///
  /// - Returns: Those to release once they are no longer needed: the ones that weren't blocked for another reason.
  static func hold(_ signals: SignalSet) throws(Errno) -> SignalSet {
    var previous = try Kernel.blockSignals(signals.sigset)
    var held = SignalSet()
    for signal in signals.numbers {
      let wasBlocked = unsafe sigismember(&previous, signal) == 1
      // Thread-local, valid as long as the calling thread runs.
      guard let count = unsafe cmx_signal_holds(signal), unsafe count.pointee > 0 || !wasBlocked else { continue }
      unsafe count.pointee += 1
      held.insert(signal)
    }
    return held
  }

  /// Unblocks the signals that nobody else holds in the calling thread, which must be the one that has held them: the
  /// thread's count may include others' holds, which can't be told apart. Pending signals are dropped: once unblocked,
  /// they would have their usual effect. On a thread that holds none of them, it does nothing.
  static func release(_ signals: SignalSet) {
    var free = SignalSet()
    for signal in signals.numbers {
      guard let count = unsafe cmx_signal_holds(signal), unsafe count.pointee > 0 else { continue }
      unsafe count.pointee -= 1
      if unsafe count.pointee == 0 { free.insert(signal) }
    }
    guard !free.isEmpty else { return }
    while Kernel.takePendingSignal(of: free.sigset) {}
    Kernel.unblockSignals(free.sigset)
  }
}
