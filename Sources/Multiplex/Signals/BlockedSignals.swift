internal import CMultiplex
internal import SystemPackage

/// Which signals are blocked in the calling thread because a ``SignalDescriptor`` wants them, and by how many of these.
///
/// A signal that was blocked before is nobody's here, and stays blocked.
enum BlockedSignals {
  /// Blocks signals in the calling thread.
  ///
  /// - Returns: Those to release once they are wanted no more: those that weren't blocked for another reason.
  static func hold(_ signals: SignalSet) throws(Errno) -> SignalSet {
    var previous = try Kernel.blockSignals(signals.sigset)
    var held = SignalSet()
    for signal in signals.numbers {
      let wasBlocked = unsafe sigismember(&previous, signal) == 1
      // The calling thread's own, for as long as it runs.
      guard let count = unsafe cmx_signal_holds(signal), unsafe count.pointee > 0 || !wasBlocked else { continue }
      unsafe count.pointee += 1
      held.insert(signal)
    }
    return held
  }

  /// Unblocks those of the signals in the calling thread that nobody else holds. What has come of them is dropped: unblocked,
  /// it would have its usual effect. On another thread than the one that holds them, nothing is done.
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
