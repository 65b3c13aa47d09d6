internal import Foundation
internal import Synchronization

#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Musl)
  internal import Musl
#endif

/// A thread as the kernel knows it. Others can see whether it waits, and interrupt it.
public struct KernelThread: Sendable {
  private let thread: pthread_t
  /// The thread's file under /proc, which contains its state.
  private let statusFile: String?

  /// The calling thread. Threads of the tests' pool block all signals, and so do those they start. From now on this one
  /// receives the signal that interrupts it.
  public init() {
    Self.installHandler
    var signals = sigset_t()
    unsafe sigemptyset(&signals)
    unsafe sigaddset(&signals, SIGWINCH)
    unsafe pthread_sigmask(SIG_UNBLOCK, &signals, nil)
    thread = pthread_self()
    let folder = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/thread-self")
    statusFile = folder.map { "/proc/\($0)/stat" }
  }

  /// Whether the thread is waiting for something.
  public var isAsleep: Bool {
    statusFile.flatMap(KernelStatus.init)?.isAsleep ?? false
  }

  /// Gives the thread a moment to block in what it is about to wait for. No test depends on whether it has: it may be
  /// one that finds something at once each time.
  public func awaitSleep() {
    _ = eventually(within: .milliseconds(50)) { isAsleep }
  }

  /// Interrupts the system call that the thread is in, and does nothing else. The thread must not have ended.
  public func interrupt() {
    _ = pthread_kill(thread, SIGWINCH)
  }

  /// How often threads were interrupted so far, all of them together.
  public static var interruptions: Int { counter.load(ordering: .relaxed) }

  private static let counter = Atomic(0)

  /// SIGWINCH is ignored by default, so it does no harm. With a handler it interrupts system calls.
  private static let installHandler: Void = {
    _ = counter.load(ordering: .relaxed)  // made now, as a signal handler must not
    _ = signal(SIGWINCH) { _ in KernelThread.counter.add(1, ordering: .relaxed) }
  }()
}
