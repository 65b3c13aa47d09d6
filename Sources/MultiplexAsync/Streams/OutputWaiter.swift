/// Who waits until a stream has sent something: goes on with what has gone wrong, or with nil.
enum OutputWaiter: Sendable {
  case task(Waiter<ConnectionError.Reason?>)
  /// Is called by whoever resumes it, before that goes on.
  case call(@Sendable (ConnectionError.Reason?) -> Void)

  func resume(returning reason: ConnectionError.Reason?) {
    switch self {
    case .task(let waiter): waiter.resume(returning: reason)
    case .call(let body): body(reason)
    }
  }
}

extension [OutputWaiter] {
  /// Has all of them go on.
  func resume(returning reason: ConnectionError.Reason?) {
    for waiter in self { waiter.resume(returning: reason) }
  }
}
