internal import Synchronization

/// One call of blocking code, and the task that waits for it. Whichever comes first, the end of the call or the
/// cancellation, resumes the task.
final class BlockingCall<Value: Sendable>: Sendable {
  typealias Body = @Sendable () throws -> Value

  private enum State {
    /// The task doesn't wait yet.
    case idle(Body)
    /// The call waits for its turn.
    case waiting(Body, Waiter<Result<Value, any Error>>)
    case running(Waiter<Result<Value, any Error>>)
    case over
  }

  private let state: Mutex<State>

  init(of body: @escaping Body) {
    state = Mutex(.idle(body))
  }

  /// - Returns: False if the task was already cancelled; it has been resumed then.
  func begin(_ waiter: Waiter<Result<Value, any Error>>) -> Bool {
    let isCancelled = state.withLock { state in
      guard case .idle(let body) = state else { return true }
      state = .waiting(body, waiter)
      return false
    }
    if isCancelled { waiter.resume(returning: .failure(CancellationError())) }
    return !isCancelled
  }

  /// Makes the call, unless it was cancelled before its turn: it would only delay the rest.
  func run() {
    let body = state.withLock { state -> Body? in
      guard case .waiting(let body, let waiter) = state else { return nil }
      state = .running(waiter)
      return body
    }
    guard let body else { return }
    end(Result(catching: body))
  }

  /// Ends the call, or the wait for it. What a call holds that hasn't begun is released.
  func end(_ result: Result<Value, any Error>) {
    // The old state is released after the lock: what the body holds may do anything then.
    let last = state.withLock { state in
      defer { state = .over }
      return state
    }
    switch last {
    case .idle, .over: break
    case .waiting(_, let waiter), .running(let waiter): waiter.resume(returning: result)
    }
  }
}
