import Foundation
import Multiplex
import MultiplexAsync
import Synchronization
import TestSupport
import Testing

@Suite("Blocking work off the reactor", .timeLimit(.minutes(5)))
struct OffloadTests {
  private struct Failure: Error, Equatable {}

  @Test("offloaded code blocks another thread, and the reactor keeps running", arguments: usableBackends)
  func reactorGoesOn(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    let semaphore = DispatchSemaphore(value: 0)
    let ranElsewhere = try await reactor.run {
      async let outcome = reactor.offload {
        semaphore.wait()
        return !reactor.isCurrent
      }
      // Runs on the reactor. If the code above did too, it would wait forever.
      try await reactor.sleep(for: .milliseconds(1))
      semaphore.signal()
      let ranElsewhere = try await outcome
      #expect(reactor.isCurrent)
      return ranElsewhere
    }
    #expect(ranElsewhere)
  }

  @Test("an error that offloaded code throws is thrown to the caller")
  func failure() async throws {
    let reactor = try Reactor()
    await #expect(throws: Failure()) { try await reactor.offload { throw Failure() } }
  }

  @Test("many more calls than there are threads all complete")
  func manyCalls() async throws {
    let reactor = try Reactor()
    let busy = Busy()
    let sum = try await withThrowingTaskGroup(of: Int.self) { group in
      for number in 0..<500 {
        group.addTask {
          try await reactor.offload {
            busy.begin()
            usleep(500)
            busy.end()
            return number
          }
        }
      }
      return try await group.reduce(0, +)
    }
    #expect(sum == 500 * 499 / 2)
    #expect(busy.highest <= 64)
  }

  @Test("offloaded code that takes all threads doesn't keep a reactor from listening at a Unix socket")
  func socketFiles() async throws {
    let reactor = try Reactor()
    let folder = try TemporaryFolder()
    let semaphore = DispatchSemaphore(value: 0)
    try await withThrowingTaskGroup(of: Void.self) { group in
      for _ in 0..<70 { group.addTask { try await reactor.offload { semaphore.wait() } } }
      let listener = try await Listener.bind(to: .unix(path: folder.file("socket")), on: reactor)
      await listener.shutDown(within: .zero)
      for _ in 0..<70 { semaphore.signal() }
      try await group.waitForAll()
    }
  }

  @Test("cancelling an offload returns at once, though the code runs to its end")
  func cancellation() async throws {
    let reactor = try Reactor()
    let semaphore = DispatchSemaphore(value: 0)
    let (begun, ended) = (Gate(), Gate())
    let task = Task {
      try await reactor.offload {
        begun.open()
        semaphore.wait()
        ended.open()
      }
    }
    await begun.pass()
    task.cancel()
    await #expect(throws: CancellationError.self) { try await task.value }
    semaphore.signal()
    await ended.pass()
  }

  @Test("a call that is cancelled before its turn releases at once what its code holds")
  func released() async throws {
    final class Held: Sendable {}
    let reactor = try Reactor()
    let semaphore = DispatchSemaphore(value: 0)
    try await withThrowingTaskGroup(of: Void.self) { group in
      let begun = Counter()
      for _ in 0..<64 {
        group.addTask {
          try await reactor.offload {
            begun.add()
            semaphore.wait()
          }
        }
      }
      #expect(await becomesTrue { begun.value == 64 })
      var held: Held? = Held()
      weak let observed = held
      let task = Task(executorPreference: reactor) { [held] in
        try await reactor.offload { withExtendedLifetime(held) {} }
      }
      held = nil
      // By then it waits for a thread.
      try await reactor.takeTurns()
      task.cancel()
      await #expect(throws: CancellationError.self) { try await task.value }
      #expect(await becomesTrue(within: .seconds(10)) { observed == nil })
      for _ in 0..<64 { semaphore.signal() }
      try await group.waitForAll()
    }
  }

  @Test("a task that is already cancelled doesn't start offloaded code")
  func cancelledBefore() async throws {
    let reactor = try Reactor()
    let gate = Gate()
    let task = Task {
      await gate.pass()
      try await reactor.offload { () -> Void in Issue.record("ran") }
    }
    task.cancel()
    gate.open()
    await #expect(throws: CancellationError.self) { try await task.value }
  }
}

/// Counts how many do something at a time.
private final class Busy: Sendable {
  private let counts = Mutex((now: 0, highest: 0))

  var highest: Int { counts.withLock { $0.highest } }

  func begin() {
    counts.withLock { $0 = ($0.now + 1, max($0.highest, $0.now + 1)) }
  }

  func end() {
    counts.withLock { $0.now -= 1 }
  }
}
