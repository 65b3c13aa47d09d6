/// Who is to go on with a value: a task that is suspended, or something that the loop calls.
enum AnyWaiter<Value: Sendable>: Sendable {
  case task(Waiter<Value>)
  /// Is called by whoever resumes it, before that goes on.
  case call(@Sendable (Value) -> Void)

  func resume(returning value: Value) {
    switch self {
    case .task(let waiter): waiter.resume(returning: value)
    case .call(let body): body(value)
    }
  }
}
