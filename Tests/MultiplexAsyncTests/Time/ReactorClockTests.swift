import Multiplex
import MultiplexAsync
import TestSupport
import Testing

@Suite("ReactorClock", .timeLimit(.minutes(5)))
struct ReactorClockTests {
  /// As in a library that knows nothing of reactors.
  private func wait<C: Clock>(on clock: C, _ duration: C.Duration) async throws -> C.Duration {
    let start = clock.now
    try await clock.sleep(until: start.advanced(by: duration), tolerance: nil)
    return start.duration(to: clock.now)
  }

  @Test("code that takes any clock sleeps on the reactor, no shorter than requested", arguments: usableBackends)
  func sleep(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    #expect(try await wait(on: reactor.clock, .milliseconds(20)) >= .milliseconds(20))
    #expect(try await wait(on: reactor.clock, .zero) >= .zero)
  }

  @Test("a task that the reactor runs is back on its thread after sleeping")
  func thread() async throws {
    let reactor = try Reactor()
    try await reactor.run {
      try await reactor.clock.sleep(for: .milliseconds(1))
      #expect(reactor.isCurrent)
    }
  }

  @Test("instants of a reactor's clock are those of the continuous clock")
  func now() throws {
    let clock = try Reactor().clock
    let before = ContinuousClock.now
    let now = clock.now
    #expect((before...ContinuousClock.now).contains(now))
    #expect(clock.minimumResolution > .zero)
  }

  @Test("cancelling ends a clock's sleep at once")
  func cancellation() async throws {
    let reactor = try Reactor()
    let task = Task { try await reactor.clock.sleep(for: .seconds(86_400)) }
    task.cancel()
    await #expect(throws: CancellationError.self) { try await task.value }
  }
}
