/// Waits for a condition as `eventually` does, without blocking a thread of the pool.
func becomesTrue(within limit: Duration = .seconds(100), _ condition: () async throws -> Bool) async rethrows -> Bool {
  let deadline = ContinuousClock.now + limit
  while try await !condition() {
    guard ContinuousClock.now < deadline, !Task.isCancelled else { return false }
    try? await Task.sleep(for: .milliseconds(2))
  }
  return true
}
