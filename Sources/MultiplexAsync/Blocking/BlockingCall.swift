internal import Synchronization

/// One call of blocking code, and the task that waits for it. Whichever comes first, the end of the call or the
/// cancellation, resumes the task.
final class BlockingCall<Value: Sendable>: Sendable {
  private enum State {
    case idle
    case waiting(Waiter<Result<Value, any Error>>)
    case over
  }

  private let state = Mutex(State.idle)

  var isOver: Bool {
    state.withLock { state in
      if case .over = state { true } else { false }
    }
  }

  /// - Returns: False if the task was already cancelled; it has been resumed then.
  func begin(_ waiter: Waiter<Result<Value, any Error>>) -> Bool {
    let isCancelled = state.withLock { state in
      if case .over = state { return true }
      state = .waiting(waiter)
      return false
    }
    if isCancelled { waiter.resume(returning: .failure(CancellationError())) }
    return !isCancelled
  }

  func end(_ result: Result<Value, any Error>) {
    let waiter = state.withLock { state -> Waiter<Result<Value, any Error>>? in
      defer { state = .over }
      guard case .waiting(let waiter) = state else { return nil }
      return waiter
    }
    waiter?.resume(returning: result)
  }
}
