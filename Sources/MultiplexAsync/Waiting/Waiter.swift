/// A suspended task that will resume with a value. Its holder resumes it exactly once: remove it from where it is
/// stored before resuming it.
///
/// Debug builds check that; release builds skip the check.
@safe
struct Waiter<Value: Sendable>: Sendable {
  #if DEBUG
    private let continuation: CheckedContinuation<Value, Never>
  #else
    private let continuation: UnsafeContinuation<Value, Never>
  #endif

  func resume(returning value: Value) {
    #if DEBUG
      continuation.resume(returning: value)
    #else
      unsafe continuation.resume(returning: value)
    #endif
  }

  /// Suspends the calling task until the waiter passed to the body is resumed.
  static func suspend(_ body: (Waiter) -> Void) async -> Value {
    #if DEBUG
      await withCheckedContinuation { body(Waiter(continuation: $0)) }
    #elseif compiler(>=6.4)
      await unsafe withUnsafeContinuation { unsafe body(Waiter(continuation: $0)) }
    #else
      // What `withUnsafeContinuation` was before it took its caller's isolation. The new one begins with a hop to it,
      // though the task is already there: a lookup of its executor under a lock, for every wait. The hop back is the
      // caller's, here too.
      await unsafe _unsafeInheritExecutor_withUnsafeContinuation { unsafe body(Waiter(continuation: $0)) }
    #endif
  }
}
