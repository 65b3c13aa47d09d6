extension Reactor {
  /// Suspends the calling task until a waiter is resumed.
  ///
  /// - Parameters:
  ///   - begin: Begins the wait. The waiter must be resumed exactly once.
  ///   - cancel: Called on the reactor's thread if the task is cancelled; not immediately.
  func suspend<Value: Sendable>(
    _ begin: (Waiter<Value>) -> Void, onCancel cancel: @escaping @Sendable () -> Void
  ) async -> Value {
    await withTaskCancellationHandler {
      await Waiter.suspend(begin)
    } onCancel: {
      loop.perform(cancel)
    }
  }
}
