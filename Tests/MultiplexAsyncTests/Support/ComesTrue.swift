/// Waits for a condition without keeping a thread, looking again every few milliseconds; false if it hasn't come about in
/// time. The limit is generous, as a busy machine may stall a test for seconds.
func comesTrue(
  within limit: Duration = .seconds(60), _ condition: () async throws -> Bool
) async rethrows -> Bool {
  let deadline = ContinuousClock.now + limit
  while try await !condition() {
    guard ContinuousClock.now < deadline else { return false }
    try? await Task.sleep(for: .milliseconds(2))
  }
  return true
}
