import MultiplexAsync
import Testing

/// Why an operation on a connection fails; the test fails if it doesn't.
func reason(
  of operation: () async throws -> Void, sourceLocation: SourceLocation = #_sourceLocation
) async -> ConnectionError.Reason? {
  let error = await #expect(throws: ConnectionError.self, sourceLocation: sourceLocation) { try await operation() }
  return error?.reason
}
