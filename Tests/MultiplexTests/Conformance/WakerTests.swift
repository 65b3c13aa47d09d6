import Multiplex
import Synchronization
import SystemPackage
import TestSupport
import Testing

/// Wakes end waits, from any thread. They are coalesced, and none is lost.
@Suite struct WakerTests {
  @Test("a wake before the wait ends it at once", arguments: usableBackends)
  func before(backend: Poller.Backend) throws {
    let poller = try Poller(backend: backend)
    poller.waker.wake()
    let batch = try poller.wait(timeout: nil)
    #expect(batch.wasWoken)
    #expect(batch.isEmpty, "the waker itself is no event")
  }

  @Test("a wake from another thread ends a wait without a timeout", arguments: usableBackends)
  func fromAnotherThread(backend: Poller.Backend) throws {
    let poller = try Poller(backend: backend)
    let waker = poller.waker
    for _ in 0..<100 {
      try withThread {
        waker.wake()
      } while: {
        let wasWoken = try poller.wait(timeout: nil).wasWoken
        #expect(wasWoken)
      }
    }
  }

  @Test("wakes are coalesced: many end one wait", arguments: usableBackends)
  func coalesced(backend: Poller.Backend) throws {
    let poller = try Poller(backend: backend)
    for _ in 0..<1000 { poller.waker.wake() }
    #expect(try poller.wait(timeout: patience).wasWoken)
    #expect(try !poller.wait(timeout: .zero).wasWoken)
    poller.waker.wake()
    #expect(try poller.wait(timeout: patience).wasWoken, "later wakes count again")
  }

  @Test("a wait that wasn't woken says so", arguments: usableBackends)
  func notWoken(backend: Poller.Backend) throws {
    let poller = try Poller(backend: backend)
    let (near, far) = try Socket.pair()
    defer { far.close() }
    try poller.register(near, for: .write)
    #expect(try !poller.wait(timeout: patience).wasWoken)
    #expect(try !poller.wait(timeout: .milliseconds(1)).wasWoken)
  }

  @Test("a wake and events are reported together", arguments: usableBackends, TriggerMode.allCases)
  func withEvents(backend: Poller.Backend, mode: TriggerMode) throws {
    let poller = try Poller(backend: backend)
    let (near, far) = try Socket.pair()
    defer { far.close() }
    try poller.register(near, for: .write, mode: mode)
    poller.waker.wake()
    let batch = try poller.wait(timeout: patience)
    #expect(batch.wasWoken)
    #expect(batch.map(\.descriptor) == [near.fileDescriptor])
  }

  @Test("a wake during the handling of a batch ends the next wait", arguments: usableBackends)
  func duringBatch(backend: Poller.Backend) throws {
    let poller = try Poller(backend: backend)
    poller.waker.wake()
    let batch = try poller.wait(timeout: patience)
    poller.waker.wake()
    #expect(batch.wasWoken)
    #expect(try poller.wait(timeout: nil).wasWoken)
    #expect(try !poller.wait(timeout: .zero).wasWoken)
  }

  @Test("a write before a wake is visible after the wait that it ended", arguments: usableBackends)
  func memory(backend: Poller.Backend) throws {
    let poller = try Poller(backend: backend)
    let waker = poller.waker
    // Relaxed on both sides: the waker provides the ordering.
    let published = Atomic(0)
    let seen = Atomic(0)
    let rounds = 2000
    try withThread {
      for round in 1...rounds {
        published.store(round, ordering: .relaxed)
        waker.wake()
        while seen.load(ordering: .acquiring) < round {}
      }
    } while: {
      var last = 0
      while last < rounds {
        guard try poller.wait(timeout: patience).wasWoken else { break }
        last = published.load(ordering: .relaxed)
        seen.store(last, ordering: .releasing)
      }
      seen.store(rounds, ordering: .releasing)
      #expect(last == rounds)
    }
  }

  @Test("no wake of many threads is lost", arguments: usableBackends)
  func manyThreads(backend: Poller.Backend) throws {
    let poller = try Poller(backend: backend)
    let waker = poller.waker
    let isOver = Atomic(false)
    let finished = Atomic(0)
    // Wakes that arrive while the poller resets an earlier one are those that could be lost. There have to be many.
    @Sendable func wakeOnAndOn() {
      while !isOver.load(ordering: .relaxed) { waker.wake() }
      finished.add(1, ordering: .relaxed)
      waker.wake()
    }
    try withThread(wakeOnAndOn) {
      try withThread(wakeOnAndOn) {
        try withThread(wakeOnAndOn) {
          defer { isOver.store(true, ordering: .relaxed) }
          for _ in 0..<20_000 {
            let wasWoken = try poller.wait(timeout: patience).wasWoken
            try #require(wasWoken)
          }
          isOver.store(true, ordering: .relaxed)
          // Each of the last wakes comes after its count. If one were lost, this would wait forever.
          while finished.load(ordering: .relaxed) < 3 {
            let wasWoken = try poller.wait(timeout: patience).wasWoken
            try #require(wasWoken)
          }
        }
      }
    }
    _ = try poller.wait(timeout: .zero)
    #expect(try !poller.wait(timeout: .zero).wasWoken, "no wakes are left after the last")
  }

  @Test("a waker outlives its poller", arguments: usableBackends)
  func outlives(backend: Poller.Backend) throws {
    let waker = try Poller(backend: backend).waker
    waker.wake()
    let (near, far) = try Socket.pair()
    for _ in 0..<100 { waker.wake() }
    #expect(try near.fileDescriptor.take() == nil, "it hasn't written to the file that took its number")
    #expect(try far.fileDescriptor.take() == nil)
  }

  @Test("wakes that race with closing the poller do no harm", arguments: usableBackends)
  func racingClose(backend: Poller.Backend) throws {
    for _ in 0..<200 {
      let poller = try Poller(backend: backend)
      let waker = poller.waker
      try withThread {
        for _ in 0..<50 { waker.wake() }
      } while: {
        _ = try poller.wait(timeout: patience)
        poller.close()
      }
      let reason = refusal { () throws(MultiplexError) in _ = try poller.wait(timeout: .zero) }
      #expect(reason == .closed)
    }
  }
}
