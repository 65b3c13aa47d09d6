import Foundation
import Synchronization

/// The other side of a test, on its own thread: it may block without occupying a thread of the tests' pool.
///
/// Tests share the few threads of a pool. A second party on one of them could wait forever for the first to leave.
public final class SecondParty<Outcome: Sendable>: Sendable {
  private struct State {
    /// nil before the thread has started and once it is about to end.
    var thread: KernelThread?
    var outcome: Result<Outcome, any Error>?
  }

  private let state = Mutex(State())

  /// Starts the thread.
  public init(_ body: @escaping @Sendable () throws -> Outcome) {
    Thread.detachNewThread { [self] in
      let thread = KernelThread()
      state.withLock { $0.thread = thread }
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
  public var isAsleep: Bool { state.withLock { $0.thread }?.isAsleep ?? false }

  /// Interrupts the system call that the thread is in, or does nothing if the thread has ended.
  public func interrupt() {
    // The lock keeps the thread from ending meanwhile.
    state.withLock { $0.thread?.interrupt() }
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
