extension Reactor {
  /// Suspends the calling task until the driver is done with something.
  ///
  /// - Parameter begin: Has the driver begin it. It calls back once, perhaps at once.
  /// - Throws: `CancellationError`, at once when the task is cancelled; what keeps it from being begun.
  func outcome<Outcome: Sendable>(_ begin: @escaping Watch<Outcome>.Beginning) async throws -> Outcome {
    try Task.checkCancellation()
    let watch = Watch<Outcome>()
    // A task that runs elsewhere stays there, and goes on from there: a child task on the reactor would cost more.
    let result = await withTaskCancellationHandler {
      await Waiter.suspend { waiter in
        onLoop { watch.begin(begin, by: self.loop.driver, waiter) }
      }
    } onCancel: {
      loop.add(.call { watch.cancel() })
    }
    return try result.get()
  }
}
