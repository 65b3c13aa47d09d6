import Multiplex
import Synchronization
import SystemPackage
import TestSupport
import Testing

/// How long a wait lasts, and what ends it.
@Suite struct WaitingTests {
  @Test(
    "zero and negative timeouts don't wait", arguments: usableBackends,
    [Duration.zero, .nanoseconds(-1), .seconds(-3600), .seconds(Int64.min)])
  func noWait(backend: Poller.Backend, timeout: Duration) throws {
    let poller = try Poller(backend: backend)
    let (near, far) = try Socket.pair()
    defer { far.close() }
    try poller.register(near, for: .read)
    let (found, time) = try timed { try poller.found(within: timeout) }
    #expect(found == [:])
    #expect(time < .seconds(20))
  }

  @Test(
    "a wait never ends early", arguments: usableBackends,
    [Duration.nanoseconds(1), .microseconds(100), .microseconds(1500), .milliseconds(120)])
  func timeout(backend: Poller.Backend, timeout: Duration) throws {
    let poller = try Poller(backend: backend)
    let (near, far) = try Socket.pair()
    defer { far.close() }
    try poller.register(near, for: .read)
    let (found, time) = try timed { try poller.found(within: timeout) }
    #expect(found == [:])
    #expect(time >= timeout)
  }

  @Test("a poller without descriptors waits as long as one with some", arguments: usableBackends)
  func emptySet(backend: Poller.Backend) throws {
    let poller = try Poller(backend: backend)
    let (found, time) = try timed { try poller.found(within: .milliseconds(60)) }
    #expect(found == [:])
    #expect(time >= .milliseconds(60))
  }

  @Test("a short wait sleeps", arguments: usableBackends)
  func shortWaitSleeps(backend: Poller.Backend) throws {
    let poller = try Poller(backend: backend)
    // If the timeout were truncated to zero, this would busy-loop until the deadline.
    let start = threadCPUTime()
    _ = try poller.wait(timeout: .microseconds(900_500))
    #expect(threadCPUTime() - start < .milliseconds(300))
  }

  @Test("a wait with a deadline ends at the deadline, or at once if it has passed", arguments: usableBackends)
  func deadline(backend: Poller.Backend) throws {
    let poller = try Poller(backend: backend)
    let moment = ContinuousClock.now + .milliseconds(60)
    #expect(try poller.wait(until: moment).isEmpty)
    #expect(ContinuousClock.now >= moment)
    let (batch, time) = try timed { try poller.wait(until: moment - .seconds(3600)) }
    #expect(batch.isEmpty)
    #expect(time < .seconds(20))
  }

  @Test("the longest possible timeout is accepted", arguments: usableBackends)
  func hugeTimeout(backend: Poller.Backend) throws {
    let poller = try Poller(backend: backend)
    let (near, far) = try Socket.pair()
    defer { far.close() }
    try poller.register(near, for: .write)
    let expected: [FileDescriptor: Readiness] = [near.fileDescriptor: [.writable]]
    #expect(try poller.found(within: .seconds(Int64.max)) == expected)
    #expect(try poller.found(within: .seconds(Int64(Int32.max))) == expected)
  }

  @Test("a wait without a timeout lasts until something is ready", arguments: usableBackends, TriggerMode.allCases)
  func noTimeout(backend: Poller.Backend, mode: TriggerMode) throws {
    let poller = try Poller(backend: backend)
    let (near, far) = try Socket.pair()
    let writer = far.fileDescriptor
    try poller.register(near, for: .read, mode: mode)
    let hasWritten = Atomic(false)
    let waiter = KernelThread()
    try withThread {
      waiter.awaitSleep()
      hasWritten.store(true, ordering: .releasing)
      try writer.put()
    } while: {
      let found = try poller.found(within: nil)
      #expect(found == [near.fileDescriptor: [.readable]])
      let wasWritten = hasWritten.load(ordering: .acquiring)
      #expect(wasWritten)
    }
  }

  @Test("one wait finds everything that is ready", arguments: usableBackends)
  func allAtOnce(backend: Poller.Backend) throws {
    let poller = try Poller(backend: backend)
    let pairs = try (0..<12).map { _ in try Socket.pair() }
    // Otherwise a loop over the pairs would be the last to use them, and close them.
    defer { withExtendedLifetime(pairs) {} }
    for (index, pair) in pairs.enumerated() {
      try poller.register(pair.0, for: .read, mode: TriggerMode.allCases[index % 3], token: UInt64(index))
    }
    for (_, far) in pairs { try far.fileDescriptor.put() }
    #expect(try poller.tokens(within: patience) == Array(0..<12))
  }

  @Test("readiness to read and to write is one event", arguments: usableBackends, TriggerMode.allCases)
  func merged(backend: Poller.Backend, mode: TriggerMode) throws {
    let poller = try Poller(backend: backend)
    let (near, far) = try Socket.pair()
    try far.fileDescriptor.put()
    try poller.register(near, for: .read | .write, mode: mode)
    #expect(try poller.found(within: patience) == [near.fileDescriptor: [.readable, .writable]])
  }

  @Test("a batch can be visited twice, and is empty after the next wait", arguments: usableBackends)
  func batch(backend: Poller.Backend) throws {
    let poller = try Poller(backend: backend)
    let (near, far) = try Socket.pair()
    defer { far.close() }
    try poller.register(near, for: .write)
    let first = try poller.wait(timeout: patience)
    #expect(first.count { _ in true } == 1)
    #expect(first.count { _ in true } == 1)
    let second = try poller.wait(timeout: patience)
    #expect(first.isEmpty)
    #expect(!second.isEmpty)
  }

  @Test(
    "more ready descriptors than fit in a batch are all found", arguments: usableBackends, TriggerMode.allCases)
  func manyReady(backend: Poller.Backend, mode: TriggerMode) throws {
    let poller = try Poller(backend: backend)
    let (near, far) = try Socket.pair()
    defer { far.close() }
    let count = min(1500, try OpenFileLimit.raise().current / 8)
    var expected: Set<UInt64> = []
    for token in 0..<UInt64(count) {
      let duplicate = try OwnedDescriptor(duplicating: near.fileDescriptor)
      try poller.register(owning: duplicate, for: .write, mode: mode, token: token)
      expected.insert(token)
    }
    var found: Set<UInt64> = []
    for _ in 0..<8 where found.count < count { found.formUnion(try poller.tokens()) }
    #expect(found == expected)
  }

  @Test(
    "a wait sleeps though there are unwanted bytes, some from before and some from during the wait",
    arguments: usableBackends, TriggerMode.allCases)
  func unwantedBytes(backend: Poller.Backend, mode: TriggerMode) throws {
    let poller = try Poller(backend: backend)
    let (near, far) = try Socket.pair()
    let (other, otherPeer) = try Socket.pair()
    let late = otherPeer.fileDescriptor
    try far.fileDescriptor.put()
    try poller.register(near, for: .priority, mode: mode)
    try poller.register(other, for: .priority, mode: mode)
    let waiter = KernelThread()
    try withThread {
      waiter.awaitSleep()
      try late.put()
    } while: {
      let start = threadCPUTime()
      let (found, time) = try timed { try poller.found(within: .milliseconds(700)) }
      #expect(found == [:])
      #expect(time >= .milliseconds(700))
      #expect(threadCPUTime() - start < .milliseconds(350))
    }
  }

  @Test("a wait that ignores unwanted bytes still detects a closed descriptor", arguments: usableBackends)
  func closedBesideUnwantedBytes(backend: Poller.Backend) throws {
    for mode in TriggerMode.allCases {
      let poller = try Poller(backend: backend)
      let (near, far) = try Socket.pair()
      try far.fileDescriptor.put()
      try poller.register(near, for: .priority)
      let pipe = try PipeDescriptors()
      let owned = try OwnedDescriptor(duplicating: pipe.reader.fileDescriptor).renumbered()
      let number = owned.fileDescriptor
      try poller.register(number, for: .read, mode: mode)
      try owned.close()
      let found = try poller.found(within: .milliseconds(250))
      #expect(found == [number: [.invalid]])
    }
  }

  @Test("select detects a closed descriptor long before the timeout, though there are unwanted bytes")
  func closedIsFoundBetweenLooks() throws {
    let poller = try Poller(backend: .select)
    let (near, far) = try Socket.pair()
    try far.fileDescriptor.put()
    try poller.register(near, for: .priority)
    let pipe = try PipeDescriptors()
    let owned = try OwnedDescriptor(duplicating: pipe.reader.fileDescriptor).renumbered()
    let number = owned.fileDescriptor
    try poller.register(number, for: .read, mode: .edge)
    try owned.close()
    let (found, time) = try timed { try poller.found(within: patience) }
    #expect(found == [number: [.invalid]])
    #expect(time < .seconds(20))
  }

  @Test("a signal doesn't end a wait, which continues with the remaining time", arguments: usableBackends)
  func signalDuringTimeout(backend: Poller.Backend) throws {
    let poller = try Poller(backend: backend)
    let (near, far) = try Socket.pair()
    defer { far.close() }
    try poller.register(near, for: .priority)
    let waiter = KernelThread()
    let isOver = Atomic(false)
    try withThread {
      // If the timeout started over after each signal, the wait would last as long as the signals do: 40 s.
      _ = eventually(within: .seconds(40)) {
        waiter.interrupt()
        return isOver.load(ordering: .acquiring)
      }
    } while: {
      defer { isOver.store(true, ordering: .releasing) }
      // The other thread takes a moment to start.
      let atFirst = KernelThread.interruptions
      #expect(eventually { KernelThread.interruptions > atFirst })
      let before = KernelThread.interruptions
      let (found, time) = try timed { try poller.found(within: .milliseconds(300)) }
      #expect(found == [:])
      #expect(time >= .milliseconds(300))
      #expect(time < .seconds(30))
      #expect(KernelThread.interruptions > before)
    }
  }

  @Test("a signal doesn't end a wait without a timeout", arguments: usableBackends)
  func signalWithoutTimeout(backend: Poller.Backend) throws {
    let poller = try Poller(backend: backend)
    let (near, far) = try Socket.pair()
    let writer = far.fileDescriptor
    try poller.register(near, for: .read, mode: .edge)
    let waiter = KernelThread()
    try withThread {
      for _ in 0..<10 {
        waiter.awaitSleep()
        waiter.interrupt()
      }
      try writer.put()
    } while: {
      let found = try poller.found(within: nil)
      #expect(found == [near.fileDescriptor: [.readable]])
    }
  }
}
