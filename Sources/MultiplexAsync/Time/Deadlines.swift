/// Runs an operation, and cancels it at a deadline.
///
///     let chunk = try await withDeadline(deadline, on: reactor) { try await connection.read() }
///
/// It always waits for the operation to finish. If the operation succeeds all the same, its result is returned, so
/// nothing it received is lost.
///
/// - Parameters:
///   - deadline: When to cancel the operation; immediately, if that is in the past.
///   - reactor: Runs the operation, and provides the timer.
///   - operation: Should end soon after it is cancelled, as every wait of this package does.
/// - Returns: What the operation returns.
/// - Throws: ``DeadlineExceeded`` if the operation failed after it was cancelled at its deadline; otherwise what it
///   throws.
public func withDeadline<Result: ~Copyable & Sendable>(
  _ deadline: ContinuousClock.Instant, on reactor: Reactor, _ operation: @escaping @Sendable () async throws -> Result
) async throws -> Result {
  let outcome = Outcome<Result>()
  let wasCancelled = Task.isCancelled
  let isPast = deadline <= .now
  let expiry = Expiry(on: reactor, hasHappened: isPast && !wasCancelled)
  let task = Task(executorPreference: reactor) {
    // The operation may begin before it can be cancelled from outside. The task is used where it runs.
    if isPast || wasCancelled { unsafe withUnsafeCurrentTask { unsafe $0?.cancel() } }
    do {
      outcome.result = try await operation()
    } catch {
      // Decided here: the calling task may continue much later.
      throw expiry.hasHappened ? DeadlineExceeded() : error
    }
  }
  if !isPast { expiry.schedule(at: deadline, for: task) }
  let end = await withTaskCancellationHandler {
    await task.result
  } onCancel: {
    task.cancel()
  }
  if !isPast { expiry.cancel() }
  try end.get()
  guard let result = outcome.result.take() else { preconditionFailure("an operation that didn't throw has a result") }
  return result
}

/// Runs an operation, and cancels it after a timeout: see ``withDeadline(_:on:_:)``.
///
/// - Parameters:
///   - timeout: nil sets no limit, and runs the operation in the calling task.
///   - reactor: Otherwise runs the operation, and provides the timer.
///   - operation: As with ``withDeadline(_:on:_:)``.
public func withTimeout<Result: ~Copyable & Sendable>(
  _ timeout: Duration?, on reactor: Reactor, _ operation: @escaping @Sendable () async throws -> Result
) async throws -> Result {
  guard let timeout else { return try await operation() }
  return try await withDeadline(.now + timeout, on: reactor, operation)
}

/// Holds a task's result that can't be copied, such as a ``Chunk``, which no task can return. One task writes it, and
/// another reads it after waiting for the first one's end.
private final class Outcome<Result: ~Copyable & Sendable>: @unchecked Sendable {
  var result: Result?
}
