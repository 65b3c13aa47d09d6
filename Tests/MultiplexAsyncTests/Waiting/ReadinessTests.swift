import Multiplex
import MultiplexAsync
import SystemPackage
import TestSupport
import Testing

@Suite("Readiness of any descriptor", .timeLimit(.minutes(2)))
struct ReadinessTests {
  @Test("a pipe becomes readable when something is written", arguments: usableBackends)
  func pipe(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    let pipe = try PipeDescriptors()
    let reader = pipe.reader.fileDescriptor
    async let readiness = reactor.readiness(of: reader, for: .read)
    try pipe.writer.put("x")
    #expect(try await readiness.isReadable)
    #expect(try pipe.reader.take() == "x")
  }

  @Test("a descriptor that is already ready is reported at once, every time", arguments: usableBackends)
  func readyAlready(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    let (near, far) = try connectedPair()
    try far.sendAll([1])
    for _ in 0..<10 {
      #expect(try await reactor.readiness(of: near, for: .read) == .readable)
      #expect(try await reactor.readiness(of: near, for: .write) == .writable)
      #expect(try await reactor.readiness(of: near, for: .read | .write) == [.readable, .writable])
    }
  }

  @Test("a full pipe becomes writable when it is read", arguments: usableBackends)
  func write(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    let pipe = try PipeDescriptors()
    let writer = pipe.writer.fileDescriptor
    try writer.fill()
    let waiting = Task { try await reactor.readiness(of: writer, for: .write) }
    try pipe.reader.fileDescriptor.drain()
    #expect(try await waiting.value.isWritable)
  }

  @Test("out-of-band data is a priority event", arguments: usableBackends)
  func priority(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    let (near, far) = try connectedPair()
    let descriptor = near.fileDescriptor
    let waiting = Task { try await reactor.readiness(of: descriptor, for: .priority | .write) }
    #expect(try await waiting.value == .writable)
    try descriptor.fill()
    for interest in [.priority, .priority | .write] as [Interest] {
      let waiting = Task { try await reactor.readiness(of: descriptor, for: interest) }
      try await reactor.takeTurns()
      // Other data isn't priority data.
      try far.sendAll([1])
      try await reactor.takeTurns()
      try far.fileDescriptor.putUrgent()
      #expect(try await waiting.value == .priority)
      try descriptor.takeUrgent()
    }
  }

  @Test(
    "a task that waits for room isn't resumed because the peer has finished sending", arguments: usableBackends)
  func roomAfterEnd(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    for isFinishedBefore in [true, false] {
      let (near, far) = try connectedPair()
      let descriptor = near.fileDescriptor
      try descriptor.fill()
      if isFinishedBefore { try far.shutdown(.writing) }
      let resumed = Counter()
      let waiting = Task {
        defer { resumed.add() }
        return try await reactor.readiness(of: descriptor, for: .write)
      }
      try await reactor.takeTurns()
      if !isFinishedBefore { try far.shutdown(.writing) }
      try await reactor.takeTurns()
      #expect(resumed.value == 0)
      try await far.takeEverything(until: { resumed.value == 1 })
      #expect(try await waiting.value == .writable)
      withExtendedLifetime(near) {}
    }
  }

  @Test("one task can wait to read while another waits to write", arguments: usableBackends)
  func bothDirections(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    let (near, far) = try connectedPair()
    let descriptor = near.fileDescriptor
    try descriptor.fill()
    let order = Recorder<String>()
    let reading = Task {
      let readiness = try await reactor.readiness(of: descriptor, for: .read)
      order.add("read")
      return readiness
    }
    let writing = Task {
      let readiness = try await reactor.readiness(of: descriptor, for: .write)
      order.add("write")
      return readiness
    }
    try far.sendAll([1])
    #expect(try await reading.value.isReadable)
    #expect(order.elements == ["read"])
    try await far.takeEverything(until: { order.elements.count == 2 })
    #expect(try await writing.value.isWritable)
  }

  @Test("each waiting task is resumed for what it waits for, whatever else is ready", arguments: usableBackends)
  func nothingElse(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    let (near, far) = try connectedPair()
    let descriptor = near.fileDescriptor
    try far.sendAll([1])
    // Both wait before either is resumed.
    let found = try await reactor.run {
      async let writable = reactor.readiness(of: descriptor, for: .write)
      async let readable = reactor.readiness(of: descriptor, for: .read)
      return (try await writable, try await readable)
    }
    #expect(found == (.writable, .readable))
    withExtendedLifetime((near, far)) {}
  }

  @Test("several tasks that wait for the same readiness are all resumed", arguments: usableBackends)
  func several(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    let pipe = try PipeDescriptors()
    let reader = pipe.reader.fileDescriptor
    let waiting = (0..<5).map { _ in Task { try await reactor.readiness(of: reader, for: .read) } }
    try pipe.writer.put("x")
    for task in waiting { #expect(try await task.value.isReadable) }
  }

  @Test("a socket whose peer has gone is readable", arguments: usableBackends)
  func hangUp(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    let (reader, writer) = try Socket.pair()
    let descriptor = reader.fileDescriptor
    let waiting = Task { try await reactor.readiness(of: descriptor, for: .read) }
    writer.close()
    #expect(try await waiting.value.isReadable)
  }

  @Test(
    "a condition that the kernel reports only once isn't lost", .enabled(if: MountNamespace.isPossible),
    arguments: usableBackends)
  func priorityOnce(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    let namespace = try MountNamespace()
    let table = try namespace.openTable()
    let descriptor = table.fileDescriptor
    for _ in 0..<2 {
      let waiting = Task(executorPreference: reactor) { try await reactor.readiness(of: descriptor, for: .priority) }
      await reactor.run { await Task.yield() }
      try namespace.change()
      #expect(try await withTimeout(.seconds(20), on: reactor) { try await waiting.value }.contains(.priority))
    }
  }

  @Test(
    "a cancelled wait ends at once, and the descriptor can be waited for again", arguments: usableBackends)
  func cancelled(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    let pipe = try PipeDescriptors()
    let reader = pipe.reader.fileDescriptor
    for _ in 0..<20 {
      let waiting = Task { try await reactor.readiness(of: reader, for: .read) }
      let other = Task { try await reactor.readiness(of: reader, for: .read) }
      await Task.yield()
      waiting.cancel()
      await #expect(throws: CancellationError.self) { try await waiting.value }
      try pipe.writer.put("x")
      #expect(try await other.value.isReadable)
      #expect(try pipe.reader.take() == "x")
    }
  }

  @Test("a task that is already cancelled doesn't wait for readiness", arguments: usableBackends)
  func cancelledBefore(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    let pipe = try PipeDescriptors()
    let reader = pipe.reader.fileDescriptor
    let task = Task {
      cancelThisTask()
      return try await reactor.readiness(of: reader, for: .read)
    }
    await #expect(throws: CancellationError.self) { try await task.value }
  }

  @Test("waiting for a descriptor that isn't open fails", arguments: usableBackends)
  func notOpen(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    let cases: [(Int32, MultiplexError.Reason)] = [(-1, .closed), (-2, .notOpen), (1_000_000, .notOpen)]
    for (number, reason) in cases {
      let error = await #expect(throws: MultiplexError.self) {
        _ = try await reactor.readiness(of: FileDescriptor(rawValue: number), for: .read)
      }
      #expect(error?.errno == .badFileDescriptor)
      #expect(error?.reason == reason)
    }
  }

  @Test(
    "a wait ends when its descriptor is found closed, and the number can be used again", arguments: usableBackends)
  func closedWhileWaiting(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    let pipe = try PipeDescriptors()
    let number = try pipe.reader.duplicate().renumbered().release()
    let hasBegun = Counter()
    let waiting = Task(executorPreference: reactor) {
      hasBegun.add()
      return try await reactor.readiness(of: number, for: .read)
    }
    #expect(await becomesTrue { hasBegun.value == 1 })
    await reactor.run {}
    try number.close()
    // A second wait detects it. The first must not be left behind.
    await #expect(throws: MultiplexError.self) { _ = try await reactor.readiness(of: number, for: .write) }
    #expect(try await waiting.value == .invalid)

    let fresh = try PipeDescriptors()
    try number.become(fresh.reader.fileDescriptor)
    let again = Task { try await reactor.readiness(of: number, for: .read) }
    try fresh.writer.put("x")
    #expect(try await again.value.isReadable)
    try number.close()
  }

  @Test(
    "a number that was closed and is now another file is waited for afresh", arguments: usableBackends)
  func reusedNumber(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    let first = try PipeDescriptors()
    let number = try first.reader.duplicate().renumbered().release()
    for round in 0..<20 {
      // The first remains open, as do some of the others for a while: they must not be mistaken for those that follow.
      let pipe = try PipeDescriptors()
      try number.become(pipe.reader.fileDescriptor)
      let waiting = Task { try await reactor.readiness(of: number, for: .read) }
      try first.writer.put("x")
      if round.isMultiple(of: 3) {
        try await reactor.sleep(for: .milliseconds(1))
        waiting.cancel()
        _ = await waiting.result
        continue
      }
      try pipe.writer.put("y")
      #expect(try await waiting.value.isReadable)
      #expect(try pipe.reader.take() == "y")
      if round.isMultiple(of: 2) { try number.close() }
    }
    try? number.close()
  }

  @Test(
    "a regular file is ready at once, even if its number was another file's that was waited for",
    arguments: usableBackends)
  func numberOfFile(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    let pipe = try PipeDescriptors()
    let number = try pipe.reader.duplicate().renumbered().release()
    try pipe.writer.put("x")
    #expect(try await reactor.readiness(of: number, for: .read) == .readable)
    let file = try TemporaryFolder().makeFile()
    try number.become(file.fileDescriptor)
    #expect(try await reactor.readiness(of: number, for: .read) == .readable)
    #expect(try await reactor.readiness(of: number, for: .read | .write) == [.readable, .writable])
    try number.close()
  }

  @Test("a socket that was waited for can become a connection", arguments: usableBackends)
  func becomesConnection(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    let (near, far) = try connectedPair()
    #expect(try await reactor.readiness(of: near, for: .write).isWritable)
    let descriptor = near.fileDescriptor
    let forgotten = Task(executorPreference: reactor) { try await reactor.readiness(of: descriptor, for: .read) }
    await reactor.run { await Task.yield() }
    let connection = try await Connection.adopt(near, on: reactor)
    #expect(try await forgotten.value == .invalid)
    // It belongs to the connection now.
    await #expect(throws: MultiplexError.self) { try await reactor.readiness(of: descriptor, for: .read) }
    try far.sendAll([1, 2])
    #expect(try await connection.read(exactly: 2) == [1, 2])
  }

  #if MULTIPLEX_FAULTS
    @Test("waiting again takes one call of epoll")
    func callsPerWait() async throws {
      let plan = FaultPlan(seed: 1, oneIn: .max, faults: [:])
      let reactor = try Reactor(backend: .epoll)
      let pipe = try PipeDescriptors()
      try pipe.writer.put("x")
      let reader = pipe.reader.fileDescriptor
      try await FaultPlan.$current.withValue(plan) {
        try await reactor.run {
          for _ in 0..<10 { _ = try await reactor.readiness(of: reader, for: .read) }
        }
      }
      #expect(plan.count(of: .epoll_ctl) == 10)
    }
  #endif

  @Test(
    "a file that can't have priority data is waited for in vain, except on epoll, which refuses that",
    arguments: usableBackends)
  func neverReady(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    let file = try TemporaryFolder().makeFile()
    let descriptor = file.fileDescriptor
    for _ in 0..<2 {
      let waiting = Task { try await reactor.readiness(of: descriptor, for: .priority) }
      if backend == .epoll {
        let error = await #expect(throws: MultiplexError.self) { try await waiting.value }
        #expect(error?.reason == .notPollable)
      } else {
        try await reactor.takeTurns()
        waiting.cancel()
        await #expect(throws: CancellationError.self) { try await waiting.value }
      }
    }
    // What else is waited for is found.
    #expect(try await reactor.readiness(of: descriptor, for: .priority | .read) == .readable)
    withExtendedLifetime(file) {}
  }

  @Test("a regular file and /dev/null are always ready", arguments: usableBackends)
  func alwaysReady(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    let file = try TemporaryFolder().makeFile()
    let null = try unsafe FileDescriptor.open("/dev/null", .readWrite)
    for descriptor in [file.fileDescriptor, null] {
      #expect(try await reactor.readiness(of: descriptor, for: .read) == .readable)
      #expect(try await reactor.readiness(of: descriptor, for: .write) == .writable)
    }
    try null.close()
  }
}

extension Socket {
  /// Reads incoming bytes until a condition becomes true.
  fileprivate func takeEverything(until condition: () -> Bool) async throws {
    let hasCome = try await becomesTrue {
      try fileDescriptor.drain()
      return condition()
    }
    try #require(hasCome)
  }
}
