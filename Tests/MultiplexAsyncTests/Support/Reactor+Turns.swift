import MultiplexAsync

extension Reactor {
  /// Waits for some turns. By then the reactor has submitted all earlier requests to the kernel, and handled what was
  /// ready.
  func takeTurns(_ count: Int = 3) async throws {
    for _ in 0..<count { try await sleep(for: .milliseconds(1)) }
  }
}
