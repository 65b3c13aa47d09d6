import Foundation
import Multiplex
import MultiplexAsync
import Synchronization
import TestSupport
import Testing

/// Each test has its own real-time signals, which nothing else uses, as signals are for the whole process.
@Suite("Signals as a sequence", .timeLimit(.minutes(5)))
struct SignalsTests {
  @Test("a signal to the process is returned and has no other effect", arguments: usableBackends)
  func oneSignal(backend: Poller.Backend) async throws {
    let number = unusedSignal()
    let reactor = try Reactor(backend: backend)
    let signals = try reactor.signals([number])
    kill(getpid(), number)
    var iterator = signals.makeAsyncIterator()
    #expect(await iterator.next() == number)
    async let second = iterator.next()
    kill(getpid(), number)
    #expect(await second == number)
  }

  @Test("several pending signals are each returned")
  func severalSignals() async throws {
    let numbers = [unusedSignal(), unusedSignal(), unusedSignal()]
    let reactor = try Reactor()
    let signals = try reactor.signals(numbers)
    for number in numbers { kill(getpid(), number) }
    var taken: Set<Int32> = []
    for await signal in signals {
      taken.insert(signal)
      if taken.count == 3 { break }
    }
    #expect(taken == Set(numbers))
  }

  @Test("iterators share a sequence's signals, and those one leaves go to another, even if it is already waiting")
  func sharedSequence() async throws {
    let numbers = [unusedSignal(), unusedSignal()]
    for _ in 0..<50 {
      let signals = try Reactor().signals(numbers)
      let waiting = Task { () -> Int32? in
        var iterator = signals.makeAsyncIterator()
        return await iterator.next()
      }
      for number in numbers { kill(getpid(), number) }
      var iterator = signals.makeAsyncIterator()
      let first = await iterator.next()
      let second = await waiting.value
      #expect(Set([first, second]) == Set(numbers))
    }
  }

  @Test("each of several sequences on several reactors gets every signal it asks for, and no other")
  func severalSequences() async throws {
    let (shared, other) = (unusedSignal(), unusedSignal())
    let first = try Reactor()
    let second = try Reactor(backend: .poll)
    let one = try first.signals([shared])
    let both = try second.signals([shared, other])
    var oneIterator = one.makeAsyncIterator()
    var bothIterator = both.makeAsyncIterator()
    kill(getpid(), other)
    #expect(await bothIterator.next() == other)
    kill(getpid(), shared)
    #expect(await bothIterator.next() == shared)
    #expect(await oneIterator.next() == shared)
  }

  @Test("a signal has its earlier effect again when the last sequence has ended")
  func restored() async throws {
    let number = unusedSignal()
    _ = signal(number, SIG_IGN)
    let reactor = try Reactor()
    var first: SignalSequence? = try reactor.signals([number])
    var second: SignalSequence? = try reactor.signals([number])
    #expect(isIgnored(number) == false)
    first = nil
    // Still caught. Otherwise the wait would not end.
    kill(getpid(), number)
    var iterator = second?.makeAsyncIterator()
    #expect(await iterator?.next() == number)
    iterator = nil
    second = nil
    #expect(isIgnored(number))
    _ = (first, second, iterator)
  }

  @Test("cancelling the task ends the iteration at once, and the sequence can be used again")
  func cancellation() async throws {
    let number = unusedSignal()
    let reactor = try Reactor()
    let signals = try reactor.signals([number])
    let task = Task(executorPreference: reactor) {
      for await _ in signals { Issue.record("a signal that nobody sent") }
    }
    try await reactor.sleep(for: .milliseconds(1))
    task.cancel()
    await task.value
    kill(getpid(), number)
    var iterator = signals.makeAsyncIterator()
    #expect(await iterator.next() == number)
  }

  @Test("a sequence that reuses another's slot gets none of its earlier signals")
  func reuse() async throws {
    let (number, mark) = (unusedSignal(), unusedSignal())
    _ = signal(number, SIG_IGN)
    let reactor = try Reactor()
    do {
      let signals = try reactor.signals([number])
      kill(getpid(), number)
      var iterator = signals.makeAsyncIterator()
      #expect(await iterator.next() == number)
      kill(getpid(), number)
    }
    var iterator = try reactor.signals([number, mark]).makeAsyncIterator()
    kill(getpid(), mark)
    #expect(await iterator.next() == mark)
  }

  @Test(
    "an invalid signal, or one that can't be received, is rejected and changes nothing",
    arguments: [-1, 0, 65, SIGKILL, SIGSTOP])
  func refused(number: Int32) throws {
    let good = unusedSignal()
    _ = signal(good, SIG_IGN)
    let reactor = try Reactor()
    let error = #expect(throws: MultiplexError.self) { try reactor.signals([good, number]) }
    #expect(error?.reason == .invalidArgument)
    #expect(isIgnored(good))
  }
}

private let signalsInUse = Atomic<Int32>(0)

/// A real-time signal that no other test uses.
private func unusedSignal() -> Int32 {
  // The C library reserves the first two.
  36 + signalsInUse.wrappingAdd(1, ordering: .relaxed).oldValue
}

/// How the kernel handles a signal to this process.
private func isIgnored(_ number: Int32) -> Bool {
  guard let status = try? String(contentsOfFile: "/proc/self/status", encoding: .utf8),
    let line = status.split(separator: "\n").first(where: { $0.hasPrefix("SigIgn:") }),
    let mask = UInt64(line.dropFirst("SigIgn:".count).trimmingCharacters(in: .whitespaces), radix: 16)
  else { return false }
  return mask & 1 << UInt64(number - 1) != 0
}
