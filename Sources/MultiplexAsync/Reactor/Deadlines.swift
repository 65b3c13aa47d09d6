/// Gives an operation until a moment, and cancels it then.
///
/// The operation is waited for in any case: what it has done is not left half done. If it ends well all the same, its
/// result is returned, so that nothing it has received is lost.
///
/// - Parameter reactor: Where the operation runs, and whose timer is used.
/// - Throws: ``DeadlineExceeded`` if the operation failed after its time was up; else what the operation throws.
public func withDeadline<Result: Sendable>(
  _ deadline: ContinuousClock.Instant, on reactor: Reactor, _ operation: @escaping @Sendable () async throws -> Result
) async throws -> Result {
  try await withThrowingTaskGroup(of: Result?.self) { group in
    group.addTask(executorPreference: reactor) { try await operation() }
    group.addTask(executorPreference: reactor) {
      // Cancelled once the operation has ended.
      try? await reactor.sleep(until: deadline)
      return nil
    }
    defer { group.cancelAll() }
    if let result = try await group.next() ?? nil { return result }
    let isCancelled = Task.isCancelled
    group.cancelAll()
    do {
      if let result = try await group.next() ?? nil { return result }
    } catch let error where isCancelled {
      throw error
    } catch {
      throw DeadlineExceeded()
    }
    throw DeadlineExceeded()
  }
}

/// Gives an operation so much time, and cancels it then: see ``withDeadline(_:on:_:)``.
///
/// - Parameter timeout: nil sets no limit.
public func withTimeout<Result: Sendable>(
  _ timeout: Duration?, on reactor: Reactor, _ operation: @escaping @Sendable () async throws -> Result
) async throws -> Result {
  guard let timeout else { return try await operation() }
  return try await withDeadline(.now + timeout, on: reactor, operation)
}
