import Multiplex
import MultiplexAsync
import TestSupport
import Testing

/// Serialized, as some of these keep a processor busy.
@Suite("Timers", .serialized, .timeLimit(.minutes(2)))
struct TimerTests {
  @Test("a sleep never ends early", arguments: usableBackends)
  func neverEarly(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    for microseconds in [0, 1, 300, 999, 1000, 1001, 2500, 20_000] {
      let deadline = ContinuousClock.now + .microseconds(microseconds)
      try await reactor.sleep(until: deadline)
      #expect(ContinuousClock.now >= deadline)
    }
  }

  @Test("a sleep until a moment in the past ends at once", arguments: usableBackends)
  func past(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    let start = ContinuousClock.now
    try await reactor.sleep(until: .now - .seconds(100))
    try await reactor.sleep(for: .seconds(-100))
    try await reactor.sleep(for: .zero)
    #expect(ContinuousClock.now - start < .seconds(50))
  }

  @Test("sleeps until the same moment end in the order they began", arguments: usableBackends)
  func firstInFirstOut(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    let order = Recorder<Int>()
    let deadline = ContinuousClock.now + .milliseconds(50)
    try await reactor.run {
      try await withThrowingTaskGroup { group in
        for number in 0..<300 {
          group.addTask {
            try await reactor.sleep(until: deadline)
            order.add(number)
          }
        }
        try await group.waitForAll()
      }
    }
    #expect(order.elements == Array(0..<300))
  }

  @Test("a cancelled sleep ends at once", arguments: usableBackends)
  func cancelled(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    // The last one is longer than any clock can represent.
    for duration in [Duration.seconds(100), .seconds(1_000_000_000), .seconds(Int64.max)] {
      let hasBegun = Counter()
      let task = Task(executorPreference: reactor) {
        hasBegun.add()
        try await reactor.sleep(for: duration)
      }
      #expect(await becomesTrue { hasBegun.value == 1 })
      task.cancel()
      await #expect(throws: CancellationError.self) { try await task.value }
    }
  }

  @Test("a task that is already cancelled doesn't sleep", arguments: usableBackends)
  func cancelledBefore(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    for isOnReactor in [true, false] {
      let task = Task(executorPreference: isOnReactor ? reactor : nil) {
        cancelThisTask()
        try await reactor.sleep(for: .seconds(100))
      }
      await #expect(throws: CancellationError.self) { try await task.value }
    }
  }

  @Test("cancelling one sleep leaves the others alone", arguments: usableBackends)
  func cancelOne(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    let deadline = ContinuousClock.now + .milliseconds(100)
    let tasks = (0..<100).map { _ in
      Task(executorPreference: reactor) { (try? await reactor.sleep(until: deadline)) != nil }
    }
    for index in stride(from: 0, to: 100, by: 3) { tasks[index].cancel() }
    for (index, task) in tasks.enumerated() where !index.isMultiple(of: 3) { #expect(await task.value) }
    for index in stride(from: 0, to: 100, by: 3) { _ = await tasks[index].value }
  }

  @Test("a timer that immediately sets itself again doesn't starve I/O", arguments: usableBackends)
  func selfRearming(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    let peer = try await RawPeer(on: reactor)
    let past = ContinuousClock.now - .seconds(1)
    let rounds = Counter()
    let timers = (0..<3).map { _ in
      Task(executorPreference: reactor) {
        while !Task.isCancelled {
          try await reactor.sleep(until: past)
          rounds.add()
        }
      }
    }
    for round in 0..<50 {
      try peer.socket.sendAll([UInt8(round)])
      #expect(try await peer.connection.read(exactly: 1) == [UInt8(round)])
      // A deadline earlier than this one is set again and again, which must not delay it either.
      try await reactor.sleep(for: .zero)
    }
    #expect(rounds.value > 0)
    for timer in timers { timer.cancel() }
    for timer in timers { _ = await timer.result }
  }

  @Test("timers in random order, some cancelled, end in the order of a sorted list", arguments: usableBackends, 1...4)
  func sortedModel(backend: Poller.Backend, seed: Int) async throws {
    let reactor = try Reactor(backend: backend)
    // All sleeps must have begun before the first ends. A slow machine gets more time for that.
    var lead = Duration.milliseconds(200)
    while try await !endInOrder(lead, seed, on: reactor) {
      lead *= 2
      try #require(lead < .seconds(30))
    }
  }

  /// - Returns: False if setting the timers took longer than the lead.
  private func endInOrder(_ lead: Duration, _ seed: Int, on reactor: Reactor) async throws -> Bool {
    var random = SeededGenerator(seed: UInt64(seed))
    let start = ContinuousClock.now + lead
    // Few distinct deadlines for many timers, so that many are equal.
    let plans = (0..<1000).map { number in
      Plan(
        number: number, deadline: start + .milliseconds(Int.random(in: 0..<40, using: &random)),
        isCancelled: Bool.random(using: &random))
    }
    let victims = plans.filter(\.isCancelled).shuffled(using: &random)
    let order = Recorder<Int>()
    let cancelled = Counter()
    let isInTime = await reactor.run {
      let tasks = plans.map { plan in
        Task(executorPreference: reactor) {
          do {
            try await reactor.sleep(until: plan.deadline)
            order.add(plan.number)
          } catch {
            cancelled.add()
          }
        }
      }
      // Resumes after everything that was enqueued before it.
      await Task.yield()
      for plan in victims { tasks[plan.number].cancel() }
      // The cancellations have been handled by now, too.
      await Task.yield()
      let isInTime = ContinuousClock.now < start
      for task in tasks { await task.value }
      return isInTime
    }
    guard isInTime else { return false }
    let expected = plans.filter { !$0.isCancelled }.sorted { ($0.deadline, $0.number) < ($1.deadline, $1.number) }
    #expect(order.elements == expected.map(\.number))
    #expect(cancelled.value == victims.count)
    return true
  }
}

/// The plan for one timer.
private struct Plan: Sendable {
  let number: Int
  let deadline: ContinuousClock.Instant
  let isCancelled: Bool
}
