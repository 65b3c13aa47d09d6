/// Gives an operation until a moment, and cancels it then.
///
///     let chunk = try await withDeadline(deadline, on: reactor) { try await connection.read() }
///
/// The operation is waited for in any case: what it has done is not left half done. If it ends well all the same, its
/// result is returned, so that nothing it has received is lost.
///
/// - Parameters:
///   - deadline: When the operation is cancelled; at once, if that is in the past.
///   - reactor: Where the operation runs, and whose timer is used.
///   - operation: Should end soon after it is cancelled, as every wait of this package does.
/// - Returns: What the operation returns.
/// - Throws: ``DeadlineExceeded`` if the operation failed after its time was up; else what the operation throws.
public func withDeadline<Result: ~Copyable & Sendable>(
  _ deadline: ContinuousClock.Instant, on reactor: Reactor, _ operation: @escaping @Sendable () async throws -> Result
) async throws -> Result {
  let outcome = Outcome<Result>()
  let isPast = deadline <= .now
  let task = Task(executorPreference: reactor) {
    // It may begin before it can be cancelled from outside. The task is used where it runs.
    if isPast { unsafe withUnsafeCurrentTask { unsafe $0?.cancel() } }
    outcome.result = try await operation()
  }
  let expiry = Expiry(of: task, at: isPast ? nil : deadline, on: reactor)
  let end = await withTaskCancellationHandler {
    await task.result
  } onCancel: {
    task.cancel()
  }
  expiry.cancel()
  do {
    try end.get()
  } catch {
    throw expiry.hasHappened ? DeadlineExceeded() : error
  }
  guard let result = outcome.result.take() else { preconditionFailure("an operation that didn't throw has a result") }
  return result
}

/// Gives an operation so much time, and cancels it then: see ``withDeadline(_:on:_:)``.
///
/// - Parameters:
///   - timeout: nil sets no limit, and runs the operation in the calling task.
///   - reactor: Where the operation runs otherwise, and whose timer is used.
///   - operation: As with ``withDeadline(_:on:_:)``.
public func withTimeout<Result: ~Copyable & Sendable>(
  _ timeout: Duration?, on reactor: Reactor, _ operation: @escaping @Sendable () async throws -> Result
) async throws -> Result {
  guard let timeout else { return try await operation() }
  return try await withDeadline(.now + timeout, on: reactor, operation)
}

/// Where a task leaves a value that can't be copied, such as a ``Chunk``, which no task can return. It is written by one task,
/// and read by another that has waited for its end.
private final class Outcome<Result: ~Copyable & Sendable>: @unchecked Sendable {
  var result: Result?
}
