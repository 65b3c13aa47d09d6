internal import CMultiplex
public import SystemPackage

/// Signals as a descriptor: readable when one has arrived.
///
/// The signals are blocked in the thread that makes this value, and in the threads that it starts from then on. So make
/// it before any other thread is started: a thread in which they aren't blocked would receive them in the ordinary way.
///
/// If several threads want a signal, one of them gets it; when a value of one of them ends, the pending signal is
/// dropped for all.
///
/// The value must end on the same thread. Then pending signals are dropped, and those that weren't blocked before are
/// unblocked, unless another value on the thread wants them. From then on they have their usual effect: keep the value
/// alive until the program can safely be interrupted.
///
/// Corresponding C functions: `signalfd`, `pthread_sigmask`.
public struct SignalDescriptor: ~Copyable, Selectable {
  private let descriptor: OwnedDescriptor
  /// The signals to unblock in the end.
  private let held: SignalSet

  /// Receives signals from now on.
  ///
  /// - Parameter signals: Their numbers, such as `SIGINT` and `SIGTERM`.
  /// - Throws: ``MultiplexError/Reason/invalidArgument`` for numbers that aren't signals, and for SIGKILL and SIGSTOP,
  ///   which can't be received; ``MultiplexError/Reason/openFileLimit``.
  public init(_ signals: [Int32]) throws(MultiplexError) {
    let signals = try SignalSet(signals, for: "signalfd")
    let (fd, held) = try calling("signalfd", Self.open(signals))
    self.descriptor = OwnedDescriptor(adopting: fd)
    self.held = held
  }

  private static func open(_ signals: SignalSet) throws(Errno) -> (fd: Int32, held: SignalSet) {
    let held = try BlockedSignals.hold(signals)
    do {
      return (try Kernel.signalfd(signals.sigset), held)
    } catch {
      BlockedSignals.release(held)
      throw error
    }
  }

  deinit {
    BlockedSignals.release(held)
  }

  /// The descriptor, borrowed.
  public var fileDescriptor: FileDescriptor { descriptor.fileDescriptor }

  /// Takes the next signal that has arrived; nil if there is none. ``nextInfo()`` returns more than its number.
  ///
  /// - Throws: The kernel's error, if any.
  public func next() throws(MultiplexError) -> Int32? {
    try nextInfo()?.signal
  }

  func takeRecord() throws(MultiplexError) -> signalfd_siginfo? {
    try descriptor.takeRecord(signalfd_siginfo())
  }
}
