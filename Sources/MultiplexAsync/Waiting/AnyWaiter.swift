/// A suspended task to resume with a value, or a closure to call with it.
enum AnyWaiter<Value: Sendable>: Sendable {
  case task(Waiter<Value>)
  /// Called by the code that resumes it, before that continues.
  case call(@Sendable (Value) -> Void)

  func resume(returning value: Value) {
    switch self {
    case .task(let waiter): waiter.resume(returning: value)
    case .call(let body): body(value)
    }
  }
}
