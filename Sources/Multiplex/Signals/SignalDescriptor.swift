internal import CMultiplex
public import SystemPackage

/// Signals as input: a descriptor that is readable when one has arrived.
///
/// The signals are blocked in the thread that makes this value, and in the threads it starts from then on, so make it
/// before any other thread is started: one that has them unblocked would receive them in the ordinary way.
///
/// A signal that several threads want comes to one of them, and is dropped for all when a value of that thread's ends.
///
/// When the value ends, which is to be on the same thread, signals that it didn't take are dropped, and those that weren't
/// blocked before are unblocked, unless another value on the thread wants them. From then on they have their usual effect:
/// let the value live until the program has nothing to do any more that a second Ctrl-C mustn't interrupt.
///
/// Corresponding C functions: `signalfd`, `pthread_sigmask`.
public struct SignalDescriptor: ~Copyable, Selectable {
  private let descriptor: OwnedDescriptor
  /// What is to be unblocked.
  private let held: SignalSet

  /// Receives these signals, by their numbers (`SIGINT`, `SIGTERM`).
  ///
  /// - Throws: ``MultiplexError/Reason/invalidArgument`` for what is no signal, and for SIGKILL and SIGSTOP, which can't be
  ///   received; ``MultiplexError/Reason/openFileLimit``.
  public init(_ signals: [Int32]) throws(MultiplexError) {
    let (fd, held) = try Self.open(SignalSet(signals, for: "signalfd"))
    self.descriptor = OwnedDescriptor(adopting: fd)
    self.held = held
  }

  private static func open(_ signals: SignalSet) throws(MultiplexError) -> (fd: Int32, held: SignalSet) {
    do throws(Errno) {
      let held = try BlockedSignals.hold(signals)
      do throws(Errno) {
        return (try Kernel.signalfd(signals.sigset), held)
      } catch {
        BlockedSignals.release(held)
        throw error
      }
    } catch {
      throw MultiplexError(call: "signalfd", errno: error)
    }
  }

  deinit {
    BlockedSignals.release(held)
  }

  /// The lent descriptor.
  public var fileDescriptor: FileDescriptor { descriptor.fileDescriptor }

  /// Takes the next signal that has arrived; nil if there is none.
  public func next() throws(MultiplexError) -> Int32? {
    try descriptor.takeRecord(signalfd_siginfo()).map { Int32(bitPattern: $0.ssi_signo) }
  }
}
