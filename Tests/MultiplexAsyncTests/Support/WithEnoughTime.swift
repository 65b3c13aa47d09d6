import Testing

/// Makes an attempt that has to do something in time; on a machine that is too slow for that again, with twice the time.
///
/// - Parameter attempt: Returns whether it was in time.
func withEnoughTime(from limit: Duration, _ attempt: (Duration) async throws -> Bool) async throws {
  var limit = limit
  while try await !attempt(limit) {
    limit *= 2
    try #require(limit < .seconds(30))
  }
}
