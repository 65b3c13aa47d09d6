import Multiplex
import MultiplexAsync
import TestSupport
import Testing

@Suite("Deadlines", .timeLimit(.minutes(2)))
struct DeadlineTests {
  @Test("an operation that is done in time returns its result", arguments: usableBackends)
  func inTime(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    let value = try await withTimeout(.seconds(100), on: reactor) { reactor.isCurrent ? 7 : 0 }
    #expect(value == 7)
    let nothing = try await withTimeout(.seconds(100), on: reactor) { () -> Int? in nil }
    #expect(nothing == nil)
  }

  @Test("a read has a deadline, and its chunk is returned", arguments: usableBackends)
  func read(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    let peer = try await RawPeer(on: reactor)
    let connection = peer.connection
    func read(within limit: Duration) async throws -> [UInt8]? {
      let chunk = try await withTimeout(limit, on: reactor) { try await connection.read() }
      guard let chunk else { return nil }
      return chunk.array
    }
    await #expect(throws: DeadlineExceeded.self) { try await read(within: .milliseconds(10)) }
    try peer.socket.sendAll([1, 2, 3])
    #expect(try await read(within: .seconds(100)) == [1, 2, 3])
    try peer.socket.shutdown(.writing)
    #expect(try await read(within: .seconds(100)) == nil)
  }

  @Test("an operation of a cancelled task is cancelled before it begins, wherever the task runs")
  func cancelledBefore() async throws {
    let reactor = try Reactor()
    // All at once: one after the other, each would wait for its turn among the other tests.
    let areCancelled = (0..<2000).map { round in
      Task(executorPreference: round.isMultiple(of: 2) ? reactor : nil) {
        cancelThisTask()
        return try await withTimeout(.seconds(100), on: reactor) { Task.isCancelled }
      }
    }
    for isCancelled in areCancelled { try #require(try await isCancelled.value) }
  }

  @Test("an operation that is late is cancelled, and throws DeadlineExceeded", arguments: usableBackends)
  func late(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    let peer = try await RawPeer(on: reactor)
    let connection = peer.connection
    let deadline = ContinuousClock.now + .milliseconds(20)
    await #expect(throws: DeadlineExceeded.self) {
      try await withDeadline(deadline, on: reactor) { try await connection.read(exactly: 1) }
    }
    #expect(ContinuousClock.now >= deadline)
    // The connection is unaffected.
    try peer.socket.sendAll([5])
    #expect(try await peer.connection.read(exactly: 1) == [5])
  }

  @Test("an operation whose deadline has passed is cancelled before it starts", arguments: usableBackends)
  func past(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    let peer = try await RawPeer(on: reactor)
    let connection = peer.connection
    try peer.socket.sendAll([5])
    for moment in [ContinuousClock.now, .now - .seconds(5)] {
      await #expect(throws: DeadlineExceeded.self) {
        try await withDeadline(moment, on: reactor) { try await connection.read(exactly: 1) }
      }
    }
    #expect(try await connection.read(exactly: 1) == [5])
  }

  @Test(
    "a read returns bytes that arrived before its deadline, though the reactor was blocked", arguments: usableBackends)
  func busyReactor(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    // The reactor must be blocked before the deadline.
    try await withEnoughTime(from: .milliseconds(50)) { try await readWhileBlocked($0, on: reactor) }
  }

  /// - Returns: False if blocking the reactor took longer than the limit.
  private func readWhileBlocked(_ limit: Duration, on reactor: Reactor) async throws -> Bool {
    let peer = try await RawPeer(on: reactor)
    let connection = peer.connection
    let deadline = ContinuousClock.now + limit
    let reading = Task(executorPreference: reactor) {
      try await withDeadline(deadline, on: reactor) { try await connection.read(exactly: 1) }
    }
    try await reactor.takeTurns()
    let blocked = await BlockedReactor(reactor)
    try peer.socket.sendAll([5])
    let isInTime = ContinuousClock.now < deadline
    try await Task.sleep(until: deadline + .milliseconds(10), clock: .continuous)
    blocked.goOn()
    let result = await reading.result
    if isInTime { #expect(try result.get() == [5]) }
    return isInTime
  }

  @Test("an operation that succeeds after its deadline returns its result", arguments: usableBackends)
  func wellAfterItsTime(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    let value = try await withTimeout(.zero, on: reactor) {
      try? await reactor.sleep(for: .seconds(100))
      return 3
    }
    #expect(value == 3)
  }

  @Test("an error of the operation is thrown unchanged", arguments: usableBackends)
  func failing(backend: Poller.Backend) async throws {
    struct Failure: Error {}
    let reactor = try Reactor(backend: backend)
    await #expect(throws: Failure.self) { try await withTimeout(.seconds(100), on: reactor) { throw Failure() } }
  }

  @Test("an error from before the deadline is thrown unchanged, however late the caller continues")
  func failingInTime() async throws {
    struct Failure: Error {}
    let reactor = try Reactor()
    let callers = try Reactor()
    let blocked = await BlockedReactor(reactor)
    let deadline = ContinuousClock.now + .seconds(1)
    let running = Task(executorPreference: callers) {
      try await withDeadline(deadline, on: reactor) { throw Failure() }
    }
    // The caller waits for the operation.
    try await callers.takeTurns()
    let callersBlocked = await BlockedReactor(callers)
    blocked.goOn()
    try await reactor.takeTurns()
    // On a machine that is too busy, the operation may have failed after its deadline.
    let isInTime = ContinuousClock.now < deadline
    try await reactor.sleep(until: deadline)
    callersBlocked.goOn()
    let result = await running.result
    if isInTime { #expect(throws: Failure.self) { try result.get() } }
  }

  @Test("cancelling the caller cancels the operation, and isn't reported as a deadline", arguments: usableBackends)
  func cancelled(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    let hasBegun = Counter()
    let task = Task {
      try await withTimeout(.seconds(100), on: reactor) {
        hasBegun.add()
        try await reactor.sleep(for: .seconds(100))
      }
    }
    #expect(await becomesTrue { hasBegun.value == 1 })
    task.cancel()
    await #expect(throws: CancellationError.self) { try await task.value }
  }
}
