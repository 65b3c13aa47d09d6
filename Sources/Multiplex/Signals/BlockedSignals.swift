internal import CMultiplex
internal import Synchronization
internal import SystemPackage

/// Which signals are blocked in which threads because a ``SignalDescriptor`` wants them, and by how many of these.
///
/// A signal that was blocked before is nobody's here, and stays blocked.
enum BlockedSignals {
  /// By thread and signal. An entry is used by its thread alone; the lock is for the table.
  private static let counts = Mutex<[UInt: [Int32: Int]]>([:])

  /// Blocks signals in the calling thread.
  ///
  /// - Returns: Those to release once they are wanted no more: those that weren't blocked for another reason.
  static func hold(_ signals: SignalSet) throws(Errno) -> SignalSet {
    var previous = try Kernel.blockSignals(signals.sigset)
    return counts.withLock { counts in
      var held = SignalSet()
      for signal in signals.numbers {
        let count = counts[Kernel.currentThread]?[signal] ?? 0
        let wasBlocked = unsafe sigismember(&previous, signal) == 1
        guard count > 0 || !wasBlocked else { continue }
        counts[Kernel.currentThread, default: [:]][signal] = count + 1
        held.insert(signal)
      }
      return held
    }
  }

  /// Unblocks those of the signals in the calling thread that nobody else holds. What has come of them is dropped: unblocked,
  /// it would have its usual effect.
  static func release(_ signals: SignalSet) {
    let free = counts.withLock { counts in
      var free = SignalSet()
      for signal in signals.numbers {
        guard let count = counts[Kernel.currentThread]?[signal] else { continue }
        counts[Kernel.currentThread]?[signal] = count > 1 ? count - 1 : nil
        if count == 1 { free.insert(signal) }
      }
      if counts[Kernel.currentThread]?.isEmpty == true { counts[Kernel.currentThread] = nil }
      return free
    }
    guard !free.isEmpty else { return }
    while Kernel.takePendingSignal(of: free.sigset) {}
    Kernel.unblockSignals(free.sigset)
  }
}
