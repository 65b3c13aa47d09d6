internal import CMultiplex
internal import Synchronization
package import SystemPackage

/// Signals as input, whichever of the process's threads they reach: a descriptor that is readable when one has come.
///
/// Where ``SignalDescriptor`` needs its signals blocked in every thread, this has them handled: it works in a process
/// whose threads exist already, such as those of Swift's concurrency. Several catchers may be there at once, and each
/// gets each signal. How a signal was dealt with before is how it is dealt with again once the last catcher is gone.
///
/// Corresponding C function: `sigaction`.
package final class SignalCatcher: Selectable, Sendable {
  private static let table = Mutex(SignalTable())

  private let signals: SignalSet
  private let slot: Int32
  /// The lent descriptor.
  package let fileDescriptor: FileDescriptor

  /// Catches these signals, by their numbers (`SIGINT`, `SIGTERM`), from now on.
  package init(_ signals: [Int32]) throws(MultiplexError) {
    self.signals = try SignalSet(signals, for: "sigaction")
    (slot, fileDescriptor) = try Self.open(self.signals)
  }

  private static func open(_ signals: SignalSet) throws(MultiplexError) -> (Int32, FileDescriptor) {
    let opened = table.withLock { table in
      Result { () throws(MultiplexError) in try table.open(signals) }
    }
    let (slot, eventfd) = try opened.get()
    return (slot, FileDescriptor(rawValue: eventfd))
  }

  deinit {
    Self.table.withLock { table in table.close(slot, signals) }
  }

  /// Takes the signals that have come since the last call, each once, in the order of their numbers.
  package func take() -> [Int32] {
    // In this order: what comes in between is announced again.
    Kernel.resetEvent(rawDescriptor)
    // A handler that had begun for the slot's last owner may have ended for this one.
    return signals.intersection(cmx_signal_take(slot)).numbers
  }

  /// Makes the descriptor readable once more, for others that wait for it.
  package func announce() {
    try? Kernel.raiseEvent(rawDescriptor)
  }

  /// Lets the calling thread receive signals, if it has them blocked, as pool threads have. One thread is needed that
  /// does: a signal that all have blocked waits for ever.
  package static func unblock(_ signals: [Int32]) {
    Kernel.unblockSignals(SignalSet.sigset(of: signals))
  }
}
