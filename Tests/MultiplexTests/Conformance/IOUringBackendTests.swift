import Multiplex
import Synchronization
import SystemPackage
import TestSupport
import Testing

/// What is specific to io_uring: polls that hold files, and a ring that belongs to a thread.
@Suite("Poller on io_uring", .needsRing) struct IOUringBackendTests {
  // MARK: Wakeups

  /// The kernel's notice that there is work to do may outlive the work, when another thread has caused it.
  @Test("each wakeup by another thread is seen, and no wait lasts forever")
  func wokenAllTheTime() throws {
    let poller = try Poller(backend: .ioUring)
    let (near, far) = try Socket.pair()
    let sender = far.fileDescriptor
    try poller.register(near, for: .read, mode: .edge)
    // One wakeup at a time, in the middle of waits that take what the kernel has. No later one makes up for it.
    let round = Atomic(0)
    let sent = Atomic(0)
    let isOver = Atomic(false)
    // If both threads share one processor, a round takes a time slice. Then fewer will do.
    let enough = ContinuousClock.now + .seconds(15)
    try withThread {
      var number = 0
      while !isOver.load(ordering: .acquiring) {
        guard round.load(ordering: .acquiring) > number else { continue }
        number += 1
        _ = try sender.writeAll([1])
        sent.store(number, ordering: .releasing)
      }
    } while: {
      defer { isOver.store(true, ordering: .releasing) }
      for number in 1...20_000 where number == 1 || ContinuousClock.now < enough {
        round.store(number, ordering: .releasing)
        let limit = ContinuousClock.now + patience
        var isRead = false
        while !isRead || sent.load(ordering: .acquiring) < number {
          try #require(ContinuousClock.now < limit)
          for _ in try poller.wait(timeout: .zero) { isRead = try near.receive(upTo: 1) != nil }
        }
      }
    }
    withExtendedLifetime(far) {}
  }

  // MARK: Files

  @Test(
    "the peer sees the end at once when a descriptor is unregistered and closed, whatever was done with it before",
    arguments: TriggerMode.allCases, [false, true])
  func unregisteredAndClosed(mode: TriggerMode, isModified: Bool) throws {
    for waits in 0..<3 {
      #expect(try Forks.succeedsWithout { try isReleasedAtOnce(mode: mode, isModified: isModified, waits: waits) })
    }
  }

  private func isReleasedAtOnce(mode: TriggerMode, isModified: Bool, waits: Int) throws -> Bool {
    let poller = try Poller(backend: .ioUring)
    let pipe = try PipeDescriptors()
    let reader = try pipe.reader.renumbered()
    let number = reader.fileDescriptor
    let writer = pipe.writer.fileDescriptor
    try poller.register(number, for: .read, mode: mode)
    for _ in 0..<waits { _ = try poller.found() }
    if waits == 2 {
      try writer.put()
      #expect(try poller.found() == [number: [.readable]])
    }
    if isModified { try poller.modify(number, for: .read | .priority) }
    try poller.unregister(number)
    try reader.close()
    return kernelReadiness(of: writer, for: .read) == [.error]
  }

  @Test("the peer sees the end at once, also if many other descriptors become ready at the same time")
  func unregisteredAmongMany() throws {
    #expect(try Forks.succeedsWithout(areReleasedAmongMany))
  }

  private func areReleasedAmongMany() throws -> Bool {
    let poller = try Poller(backend: .ioUring)
    let pairs = try (0..<200).map { _ in try Socket.pair() }
    // Otherwise a loop over the pairs would be the last to use them, and close them.
    defer { withExtendedLifetime(pairs) {} }
    for (index, pair) in pairs.enumerated() { try poller.register(pair.0, for: .read, token: UInt64(index)) }
    #expect(try poller.found() == [:])
    for (_, far) in pairs { try far.fileDescriptor.put() }
    let areReleased = try [199, 0, 100].allSatisfy { index in
      try poller.unregister(pairs[index].0)
      pairs[index].0.close()
      return kernelReadiness(of: pairs[index].1.fileDescriptor, for: .read).contains(.hangUp)
    }
    guard areReleased else { return false }
    var found: Set<UInt64> = []
    for _ in 0..<20 where found.count < 197 { found.formUnion(try poller.tokens()) }
    #expect(found == Set(0..<200).subtracting([0, 100, 199]))
    return true
  }

  /// The kernel does its deferred work some at a time. A poll that was woken twice yields nothing if the data is gone.
  private func makeWorkForNothing(for poller: Poller, _ pairs: [(Socket, Socket)]) throws {
    for (index, pair) in pairs.enumerated() { try poller.register(pair.0, for: .read, token: UInt64(index)) }
    #expect(try poller.found() == [:])
    for (near, far) in pairs {
      for _ in 0..<2 { try far.fileDescriptor.put() }
      #expect(try near.receive(upTo: 2)?.count == 2)
    }
  }

  @Test("the peer sees the end at once, also if the kernel has much to do that comes to nothing")
  func unregisteredAfterWork() throws {
    let isReleasedAtOnce = try Forks.succeedsWithout {
      let poller = try Poller(backend: .ioUring)
      let pairs = try (0..<200).map { _ in try Socket.pair() }
      defer { withExtendedLifetime(pairs) {} }
      try makeWorkForNothing(for: poller, pairs)
      try poller.unregister(pairs[199].0)
      pairs[199].0.close()
      return kernelReadiness(of: pairs[199].1.fileDescriptor, for: .read).contains(.hangUp)
    }
    #expect(isReleasedAtOnce)
  }

  @Test("a wait without time finds what is ready, also if the kernel has much to do first that comes to nothing")
  func readyAfterWork() throws {
    // On a busy machine, it may not get the time: then it goes on in the next wait.
    let isFound = try (0..<5).contains { _ in
      let poller = try Poller(backend: .ioUring)
      let pairs = try (0..<200).map { _ in try Socket.pair() }
      defer { withExtendedLifetime(pairs) {} }
      try makeWorkForNothing(for: poller, pairs)
      try pairs[199].1.fileDescriptor.put()
      return try poller.found() == [pairs[199].0.fileDescriptor: [.readable]]
    }
    #expect(isFound)
  }

  @Test(
    "the peer sees the end at once when the poller is closed, and then the descriptor", arguments: TriggerMode.allCases)
  func pollerClosed(mode: TriggerMode) throws {
    let areReleasedAtOnce = try Forks.succeedsWithout {
      let poller = try Poller(backend: .ioUring)
      let pairs = try (0..<100).map { _ in try Socket.pair() }
      for (near, _) in pairs { try poller.register(near, for: .read, mode: mode) }
      #expect(try poller.found() == [:])
      poller.close()
      return pairs.allSatisfy { near, far in
        near.close()
        return kernelReadiness(of: far.fileDescriptor, for: .read).contains(.hangUp)
      }
    }
    #expect(areReleasedAtOnce)
  }

  @Test(
    "a descriptor that was closed without being unregistered is released once that is detected",
    arguments: TriggerMode.allCases)
  func closedAndFound(mode: TriggerMode) throws {
    Forks.pause()
    defer { Forks.resume() }
    let poller = try Poller(backend: .ioUring)
    let pipe = try PipeDescriptors()
    let reader = try pipe.reader.renumbered()
    let number = reader.fileDescriptor
    let writer = pipe.writer.fileDescriptor
    try poller.register(number, for: .read, mode: mode)
    #expect(try poller.found() == [:])
    try reader.close()
    #expect(kernelReadiness(of: writer, for: .read) == [], "the poll holds the file")
    #expect(try eventually { try poller.found(within: .milliseconds(5)) == [number: [.invalid]] })
    #expect(kernelReadiness(of: writer, for: .read) == [.error])
  }

  @Test("a regular file is always ready in level mode, in each wait, alongside other descriptors")
  func regularFile() throws {
    let poller = try Poller(backend: .ioUring)
    let file = OwnedDescriptor(adopting: try FileDescriptor.open(FilePath("/proc/self/exe"), .readOnly))
    let (near, far) = try Socket.pair()
    try poller.register(file, for: .read)
    try poller.register(near, for: .read)
    for _ in 0..<5 { #expect(try poller.found(within: patience) == [file.fileDescriptor: [.readable]]) }
    try far.fileDescriptor.put()
    let both: [FileDescriptor: Readiness] = [file.fileDescriptor: [.readable], near.fileDescriptor: [.readable]]
    #expect(try poller.found(within: patience) == both)
    try poller.unregister(file)
    #expect(try poller.found() == [near.fileDescriptor: [.readable]])
  }

  @Test("descriptors that are neither sockets nor pipes have edges too")
  func otherFiles() throws {
    let poller = try Poller(backend: .ioUring)
    let inner = try Epoll()
    let (near, far) = try Socket.pair()
    try inner.register(near, for: .in)
    try poller.register(inner.fileDescriptor, for: .read, mode: .edge)
    #expect(try poller.found() == [:])
    try far.fileDescriptor.put()
    #expect(try poller.found(within: patience) == [inner.fileDescriptor: [.readable]])
    #expect(try poller.found() == [:])
    let null = OwnedDescriptor(adopting: try FileDescriptor.open(FilePath("/dev/null"), .readOnly))
    let key = null.fileDescriptor
    #expect(refusal { () throws(MultiplexError) in try poller.register(key, for: .read, mode: .edge) } == .notPollable)
  }

  @Test("kernel: data doesn't wake a poll for priority data only, hence the additional bit that is requested")
  func kernelPriority() throws {
    var ring = try Ring()
    let (near, far) = try connectedPair()
    try ring.prepare(.poll(near.fileDescriptor, for: .priority, token: 1))
    try ring.prepare(.poll(near.fileDescriptor, for: [.priority, .readBand], token: 2))
    try ring.submit()
    try far.fileDescriptor.putUrgent()
    let woken = try ring.complete(1)
    #expect(woken.map(\.token).contains(2))
  }

  // MARK: Many

  @Test("more registrations than the ring has room for are all watched", arguments: TriggerMode.allCases)
  func many(mode: TriggerMode) throws {
    let poller = try Poller(backend: .ioUring)
    let (near, far) = try Socket.pair()
    let count = min(6000, try OpenFileLimit.raise().current / 4)
    for token in 0..<UInt64(count) {
      let duplicate = try OwnedDescriptor(duplicating: near.fileDescriptor)
      try poller.register(owning: duplicate, for: .read, mode: mode, token: token)
    }
    #expect(try poller.found() == [:])
    for round in 0..<2 where round == 0 || mode != .oneShot {
      try far.fileDescriptor.put()
      var found: Set<UInt64> = []
      for _ in 0..<50 where found.count < count { found.formUnion(try poller.tokens()) }
      #expect(found.count == count)
    }
  }

  // MARK: Threads

  /// A poller to be used by several threads, one at a time.
  private final class SharedPoller: @unchecked Sendable {
    let poller: Poller

    init(_ poller: Poller) { self.poller = poller }

    /// Does something with the poller on its own thread, which then ends.
    func elsewhere<Value: Sendable>(_ body: @escaping @Sendable (Poller) throws -> Value) throws -> Value {
      try SecondParty { try body(self.poller) }.join()
    }
  }

  @Test("a poller whose threads have ended keeps working", arguments: TriggerMode.allCases)
  func threads(mode: TriggerMode) throws {
    let shared = SharedPoller(try Poller(backend: .ioUring))
    let (near, far) = try Socket.pair()
    let descriptor = near.fileDescriptor
    try shared.elsewhere { try $0.register(descriptor, for: .read, mode: mode) }
    for _ in 0..<4 {
      #expect(try shared.elsewhere { try $0.found() } == [:])
      try far.fileDescriptor.put()
      #expect(try shared.elsewhere { try $0.found(within: patience) } == [descriptor: [.readable]])
      try near.fileDescriptor.drain()
      if mode == .oneShot { try shared.elsewhere { try $0.modify(descriptor, for: .read) } }
    }
    shared.poller.waker.wake()
    #expect(try shared.elsewhere { try $0.wait(timeout: nil).wasWoken })
    try shared.elsewhere { try $0.unregister(descriptor) }
    try far.fileDescriptor.put()
    #expect(try shared.poller.found(within: .milliseconds(5)) == [:])
  }

  @Test("what another thread registers between two waits is found by the second", arguments: TriggerMode.allCases)
  func changedElsewhere(mode: TriggerMode) throws {
    let shared = SharedPoller(try Poller(backend: .ioUring))
    let pairs = try (0..<3).map { _ in try Socket.pair() }
    let ends = pairs.map(\.0.fileDescriptor)
    try shared.poller.register(ends[0], for: .read, mode: mode, token: 0)
    #expect(try shared.poller.tokens() == [])
    try shared.elsewhere { poller in
      try poller.register(ends[1], for: .read, mode: mode, token: 1)
      try poller.modify(ends[0], for: .read | .priority)
    }
    for (_, far) in pairs { try far.fileDescriptor.put() }
    #expect(try shared.poller.tokens(within: patience) == [0, 1])
    try shared.elsewhere { poller in
      try poller.unregister(ends[0])
      try poller.register(ends[2], for: .read, mode: mode, token: 2)
    }
    for (_, far) in pairs { try far.fileDescriptor.put() }
    let found = try shared.poller.tokens(within: patience)
    #expect(found == (mode == .oneShot ? [2] : [1, 2]))
    withExtendedLifetime(pairs) {}
  }

  @Test("the peer sees the end soon when another thread unregisters and closes the descriptor")
  func unregisteredElsewhere() throws {
    let shared = SharedPoller(try Poller(backend: .ioUring))
    for _ in 0..<3 {
      let pipe = try PipeDescriptors()
      let reader = try pipe.reader.renumbered()
      let number = reader.fileDescriptor
      let writer = pipe.writer.fileDescriptor
      try shared.poller.register(number, for: .read)
      #expect(try shared.poller.found() == [:])
      try shared.elsewhere { try $0.unregister(number) }
      try reader.close()
      #expect(eventually { kernelReadiness(of: writer, for: .read) == [.error] })
    }
  }

  @Test("no edge is lost when another thread waits, and what is still ready is reported again")
  func edgesElsewhere() throws {
    let shared = SharedPoller(try Poller(backend: .ioUring))
    let (near, far) = try Socket.pair()
    let descriptor = near.fileDescriptor
    try shared.poller.register(near, for: .read, mode: .edge)
    #expect(try shared.poller.found() == [:])
    #expect(try shared.elsewhere { try $0.found() } == [:])
    for _ in 0..<4 {
      try far.fileDescriptor.put()
      #expect(try shared.elsewhere { try $0.found() } == [descriptor: [.readable]])
      #expect(try shared.poller.found(within: .milliseconds(1)) == [descriptor: [.readable]])
      #expect(try shared.poller.found(within: .milliseconds(1)) == [:])
      try near.fileDescriptor.drain()
      #expect(try shared.elsewhere { try $0.found() } == [:])
    }
  }

  /// In its own process, as nothing else may take the number.
  @Test("a number that was closed and reused by another thread's ring has no events, and keeps nothing open")
  func takenByRing() async {
    await #expect(processExitsWith: .success) {
      for interest in [Interest.read, .write] {
        let shared = SharedPoller(try Poller(backend: .ioUring))
        let (near, far) = try Socket.pair()
        let other = try PipeDescriptors()
        let reader = other.reader.fileDescriptor
        let writer = other.writer.fileDescriptor
        try shared.poller.register(reader, for: .read)
        // The lowest free one.
        let reused = try OwnedDescriptor(duplicating: near.fileDescriptor)
        let number = reused.fileDescriptor
        try shared.poller.register(number, for: interest)
        _ = try shared.elsewhere { try $0.found(within: .milliseconds(1)) }
        try reused.close()
        _ = try shared.poller.found(within: .milliseconds(1))
        for _ in 0..<3 { #expect(try shared.poller.found(within: .milliseconds(1)) == [:]) }
        #expect(
          refusal { () throws(MultiplexError) in try shared.poller.modify(number, for: .read) } == .notOpen)
        try shared.elsewhere { $0.close() }
        try other.reader.close()
        try #require(eventually(within: .seconds(5)) { kernelReadiness(of: writer, for: .read) == [.error] })
        withExtendedLifetime((near, far)) {}
      }
    }
  }

  #if MULTIPLEX_FAULTS
    @Test("no event is lost when the kernel is interrupted or busy", arguments: UInt64(1)...10)
    func faults(seed: UInt64) throws {
      let poller = try Poller(backend: .ioUring)
      let pairs = try (0..<20).map { _ in try Socket.pair() }
      let plan = FaultPlan(
        seed: seed, oneIn: 3, faults: [.io_uring_enter: [.interrupted], .poll: [.interrupted]])
      try FaultPlan.$current.withValue(plan) {
        for (index, pair) in pairs.enumerated() {
          try poller.register(pair.0, for: .read, mode: TriggerMode.allCases[index % 3], token: UInt64(index))
        }
        for round in 0..<10 {
          for (_, far) in pairs { try far.fileDescriptor.put() }
          let due = (0..<UInt64(20)).filter { round == 0 || $0 % 3 != 2 }
          let found = try poller.tokens(within: patience)
          try #require(found == due)
          for (near, _) in pairs { try near.fileDescriptor.drain() }
        }
      }
      #expect(plan.injected > 0)
      withExtendedLifetime(pairs) {}
    }

    @Test(
      "a poll that can't be started doesn't keep others from being reported, and is started later",
      arguments: UInt64(1)...20)
    func failedPoll(seed: UInt64) throws {
      for mode in TriggerMode.allCases {
        let poller = try Poller(backend: .ioUring)
        let pairs = try (1...4).map { _ in try Socket.pair() }
        for (index, pair) in pairs.enumerated() {
          try poller.register(pair.0, for: .read, mode: mode, token: UInt64(index + 1))
          try pair.1.fileDescriptor.put()
        }
        let plan = FaultPlan(seed: seed, oneIn: 2, faults: [.io_uring_poll: [.noMemory]])
        var found = FaultPlan.$current.withValue(plan) { try? poller.tokens(within: patience) } ?? []
        #expect(plan.injected == 4 || !found.isEmpty)
        #expect(plan.count(of: .io_uring_poll) <= 4, "each is tried once in a wait")
        if mode == .level { found = [] }
        _ = try eventually {
          found += found.count < 4 ? try poller.tokens(within: .milliseconds(20)) : []
          return found.count >= 4
        }
        #expect(found.sorted() == [1, 2, 3, 4])
        withExtendedLifetime(pairs) {}
      }
    }

    @Test("a poll that can't be started at all is reported if nothing else is ready")
    func everyPollFails() throws {
      let poller = try Poller(backend: .ioUring)
      let (near, far) = try Socket.pair()
      try poller.register(near, for: .read, mode: .edge, token: 1)
      try far.fileDescriptor.put()
      let plan = FaultPlan(seed: 1, oneIn: 1, faults: [.io_uring_poll: [.noMemory]])
      for round in 1...5 {
        let error = FaultPlan.$current.withValue(plan) {
          #expect(throws: MultiplexError.self) { try poller.tokens(within: patience) }
        }
        #expect(error?.errno == .noMemory)
        #expect(error?.descriptor == near.fileDescriptor)
        #expect(plan.count(of: .io_uring_poll) == round)
      }
      #expect(try poller.tokens(within: patience) == [1])
    }
  #endif
}
