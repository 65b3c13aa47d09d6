import Multiplex

/// Waits for a condition, checking again every few milliseconds. Returns false if it hasn't become true in time.
///
/// Tests wait for what they expect, never for a time in which it should have happened. The limit is generous, as a busy
/// machine may stall a test for seconds. Only a failing test reaches it.
public func eventually(
  within limit: Duration = .seconds(30), _ condition: () throws -> Bool
) rethrows -> Bool {
  let deadline = ContinuousClock.now + limit
  while try !condition() {
    guard ContinuousClock.now < deadline else { return false }
    // A select of nothing lets the thread sleep.
    _ = try? select(timeout: .milliseconds(2))
  }
  return true
}

/// Blocks the thread for some time: to keep others waiting, or to see that something doesn't happen meanwhile.
public func block(for duration: Duration) {
  _ = eventually(within: duration) { false }
}

/// Waits for a condition as ``eventually(within:_:)`` does, without blocking a thread of the pool.
public func becomesTrue(
  within limit: Duration = .seconds(100), _ condition: () async throws -> Bool
) async rethrows -> Bool {
  let deadline = ContinuousClock.now + limit
  while try await !condition() {
    guard ContinuousClock.now < deadline, !Task.isCancelled else { return false }
    try? await Task.sleep(for: .milliseconds(2))
  }
  return true
}
