import Foundation
import Synchronization

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// The other side of a test, on a thread of its own: it may block without taking a thread from the tests' pool.
public final class SecondParty<Outcome: Sendable>: Sendable {
  private struct State {
    /// Nil before the thread has begun and once it is about to end.
    var thread: pthread_t?
    /// The thread's folder under /proc.
    var folder: String?
    var outcome: Result<Outcome, any Error>?
  }

  private let state = Mutex(State())

  /// Starts the thread.
  public init(_ body: @escaping @Sendable () throws -> Outcome) {
    Thread.detachNewThread { [self] in
      let folder = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/thread-self")
      state.withLock { state in
        state.thread = pthread_self()
        state.folder = folder
      }
      Interruptions.unblock()
      let outcome = Result { try body() }
      state.withLock { state in
        state.thread = nil
        state.outcome = outcome
      }
    }
  }

  /// Whether the body has returned.
  public var isDone: Bool { state.withLock { $0.outcome != nil } }

  /// Whether the thread is waiting for something, as the kernel sees it.
  public var isAsleep: Bool {
    guard let folder = state.withLock({ $0.thread == nil ? nil : $0.folder }),
      let status = try? String(contentsOfFile: "/proc/\(folder)/stat", encoding: .utf8)
    else { return false }
    // The state's letter follows the name, which stands in parentheses.
    return status.split(separator: ")").last?.hasPrefix(" S") ?? false
  }

  /// Sends the thread a signal that does nothing but interrupt its system call; nothing if it has ended.
  public func interrupt() {
    _ = Interruptions.count
    // The lock keeps the thread from ending meanwhile.
    state.withLock { state in
      guard let thread = state.thread else { return }
      _ = pthread_kill(thread, SIGWINCH)
    }
  }

  /// Waits for the end, and returns or throws what the body did.
  public func join() throws -> Outcome {
    guard eventually(within: .seconds(60), { isDone }), let outcome = state.withLock({ $0.outcome }) else {
      throw NotDone()
    }
    return try outcome.get()
  }

  /// The body has not returned in time.
  public struct NotDone: Error {}
}

/// How often threads were interrupted by ``SecondParty/interrupt()``.
public enum Interruptions {
  private static let handler: Atomic<Int> = {
    // Ignored by default, so that nobody minds; a handler makes it interrupt system calls.
    _ = signal(SIGWINCH) { _ in Interruptions.handler.add(1, ordering: .relaxed) }
    return Atomic(0)
  }()

  /// Threads of the tests' pool have signals blocked, and so have those they start.
  fileprivate static func unblock() {
    var signals = sigset_t()
    unsafe sigemptyset(&signals)
    unsafe sigaddset(&signals, SIGWINCH)
    unsafe pthread_sigmask(SIG_UNBLOCK, &signals, nil)
  }

  /// Interruptions of all threads so far.
  public static var count: Int { handler.load(ordering: .relaxed) }
}
