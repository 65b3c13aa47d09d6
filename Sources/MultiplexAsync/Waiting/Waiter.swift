/// A suspended task that is to go on with a value. Whoever holds it resumes it exactly once: it is taken out of where it
/// is kept before it is resumed.
///
/// Debug builds check that; release builds save the check.
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

  /// Suspends the calling task, until the waiter that the body gets is resumed.
  static func suspend(_ body: (Waiter) -> Void) async -> Value {
    #if DEBUG
      await withCheckedContinuation { body(Waiter(continuation: $0)) }
    #elseif compiler(>=6.4)
      await unsafe withUnsafeContinuation { unsafe body(Waiter(continuation: $0)) }
    #else
      // What `withUnsafeContinuation` was before it was told its caller's isolation. That begins with a hop to it, though
      // the task is there: a look-up of its executor under a lock, for every wait. The hop back is the caller's, here too.
      await unsafe _unsafeInheritExecutor_withUnsafeContinuation { unsafe body(Waiter(continuation: $0)) }
    #endif
  }
}
