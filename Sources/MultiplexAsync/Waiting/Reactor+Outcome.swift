extension Reactor {
  /// Suspends the calling task until an operation of the loop is done.
  ///
  /// - Parameter begin: Begins the operation on the loop's thread. It calls back once, perhaps immediately.
  /// - Throws: `CancellationError`, immediately if the task is cancelled; why the operation can't begin.
  func outcome<Outcome: Sendable>(_ begin: @escaping PendingOperation<Outcome>.Beginning) async throws -> Outcome {
    try Task.checkCancellation()
    let operation = PendingOperation<Outcome>()
    // A task that runs elsewhere stays there, and resumes there: a child task on the reactor would cost more.
    let result = await suspend { waiter in
      onLoop { operation.begin(begin, on: self.loop, waiter) }
    } onCancel: {
      operation.cancel()
    }
    return try result.get()
  }
}
