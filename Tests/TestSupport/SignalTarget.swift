internal import Synchronization

#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Musl)
  internal import Musl
#endif

private let receivedSignals = Atomic(0)

/// The thread that makes this value, which others may interrupt with a signal that does nothing else.
///
/// SIGURG is ignored by default: nobody is harmed by one that comes late.
public struct SignalTarget: Sendable {
  private let thread: pthread_t

  /// The calling thread. Threads of a pool block all signals; from now on this one receives SIGURG.
  public init() {
    _ = receivedSignals.load(ordering: .relaxed)  // made now, as a signal handler must not
    signal(SIGURG) { _ in receivedSignals.add(1, ordering: .relaxed) }
    var signals = sigset_t()
    unsafe sigemptyset(&signals)
    unsafe sigaddset(&signals, SIGURG)
    unsafe pthread_sigmask(SIG_UNBLOCK, &signals, nil)
    thread = pthread_self()
  }

  /// Interrupts what the thread waits for. The thread must not have ended.
  public func interrupt() {
    pthread_kill(thread, SIGURG)
  }

  /// How many signals have arrived, on any thread.
  public var received: Int { receivedSignals.load(ordering: .relaxed) }
}
