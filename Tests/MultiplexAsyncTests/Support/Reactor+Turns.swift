import MultiplexAsync

extension Reactor {
  /// Lets some turns pass: by then it has told the kernel what it was given to do before, and has heard of what was ready.
  func takeTurns(_ count: Int = 3) async throws {
    for _ in 0..<count { try await sleep(for: .milliseconds(1)) }
  }
}
