internal import CMultiplex
internal import Synchronization
package import SystemPackage

/// Signals as a descriptor, whichever of the process's threads they reach: readable when one has arrived.
///
/// While ``SignalDescriptor`` needs its signals blocked in every thread, this installs a handler: it works in a process
/// whose threads already exist, such as those of Swift's concurrency. Several catchers may exist at once, and each gets
/// every signal. The previous disposition of a signal is restored once its last catcher is gone.
///
/// Corresponding C function: `sigaction`.
package final class SignalCatcher: Selectable, Sendable {
  private static let table = Mutex(SignalTable())

  private let signals: SignalSet
  private let slot: Int32
  /// The descriptor, borrowed.
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

  /// Takes the signals that have arrived since the last call, each once, in the order of their numbers.
  package func take() -> [Int32] {
    // In this order, a signal that arrives in between makes the descriptor readable again.
    Kernel.resetEvent(rawDescriptor)
    // A handler that began while the slot belonged to its previous owner may have recorded a signal here.
    return signals.intersection(cmx_signal_take(slot)).numbers
  }

  /// Makes the descriptor readable again, for others that wait for it.
  package func announce() {
    try? Kernel.raiseEvent(rawDescriptor)
  }

  /// Unblocks signals in the calling thread; pool threads have them blocked. At least one thread must receive them: a
  /// signal that all threads block stays pending forever.
  package static func unblock(_ signals: [Int32]) {
    Kernel.unblockSignals(SignalSet.sigset(of: signals))
  }
}
