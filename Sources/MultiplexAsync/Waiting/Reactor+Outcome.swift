extension Reactor {
  /// Suspends the calling task until something is done that the loop waits for.
  ///
  /// - Parameter begin: Begins it on the loop's thread. It calls back once, perhaps at once.
  /// - Throws: `CancellationError`, at once when the task is cancelled; what keeps it from being begun.
  func outcome<Outcome: Sendable>(_ begin: @escaping PendingOperation<Outcome>.Beginning) async throws -> Outcome {
    try Task.checkCancellation()
    let operation = PendingOperation<Outcome>()
    // A task that runs elsewhere stays there, and goes on from there: a child task on the reactor would cost more.
    let result = await withTaskCancellationHandler {
      await Waiter.suspend { waiter in
        onLoop { operation.begin(begin, on: self.loop, waiter) }
      }
    } onCancel: {
      loop.perform { operation.cancel() }
    }
    return try result.get()
  }
}
