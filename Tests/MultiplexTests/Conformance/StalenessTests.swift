import CTestSupport
import Multiplex
import SystemPackage
import TestSupport
import Testing

/// Events found, or still to come, for a descriptor that has been unregistered, closed or replaced.
@Suite struct StalenessTests {
  // MARK: Inside one batch

  @Test(
    "an event of a descriptor that was unregistered in the same batch is dropped", arguments: usableBackends,
    TriggerMode.allCases)
  func unregistered(backend: Poller.Backend, mode: TriggerMode) throws {
    let poller = try Poller(backend: backend)
    let (near, far) = try Socket.pair()
    try poller.register(near, for: .write, mode: mode)
    try poller.register(far, for: .write, mode: mode)
    let batch = try poller.wait(timeout: patience)
    var visited: [FileDescriptor] = []
    for event in batch {
      visited.append(event.descriptor)
      try poller.unregister(event.descriptor == near.fileDescriptor ? far : near)
    }
    #expect(visited.count == 1)
    #expect(batch.contains { $0.descriptor == visited.first })
  }

  @Test(
    "an event of a descriptor that was registered again in the same batch is dropped", arguments: usableBackends,
    TriggerMode.allCases)
  func registeredAnew(backend: Poller.Backend, mode: TriggerMode) throws {
    let poller = try Poller(backend: backend)
    let (near, far) = try Socket.pair()
    defer { far.close() }
    try poller.register(near, for: .write, mode: mode, token: 1)
    let batch = try poller.wait(timeout: patience)
    #expect(!batch.isEmpty)
    try poller.unregister(near)
    try poller.register(near, for: .write, mode: mode, token: 2)
    #expect(batch.isEmpty)
    #expect(try poller.tokens(within: patience) == [2])
  }

  @Test(
    "a number that was closed and reused for another file in the same batch has no event", arguments: usableBackends,
    TriggerMode.allCases)
  func reused(backend: Poller.Backend, mode: TriggerMode) throws {
    let poller = try Poller(backend: backend)
    let (near, far) = try Socket.pair()
    let (other, otherPeer) = try Socket.pair()
    defer { otherPeer.close() }
    let owned = try OwnedDescriptor(duplicating: near.fileDescriptor).renumbered()
    let number = owned.fileDescriptor
    try far.fileDescriptor.put()
    try poller.register(number, for: .read, mode: mode, token: 1)
    let batch = try poller.wait(timeout: patience)
    #expect(!batch.isEmpty)

    try poller.unregister(number)
    try number.become(other.fileDescriptor)
    try poller.register(number, for: .read, mode: mode, token: 2)
    #expect(batch.isEmpty, "the event belongs to the number's earlier file")
    #expect(try poller.tokens(within: .milliseconds(1)) == [])
    try otherPeer.fileDescriptor.put()
    #expect(try poller.tokens(within: patience) == [2])
  }

  @Test("an interest that was narrowed in the same batch narrows the event", arguments: usableBackends)
  func narrowed(backend: Poller.Backend) throws {
    let poller = try Poller(backend: backend)
    let (near, far) = try Socket.pair()
    try far.fileDescriptor.put()
    try poller.register(near, for: .read | .write)
    let batch = try poller.wait(timeout: patience)
    try poller.modify(near, for: .read)
    #expect(batch.map(\.readiness) == [[.readable]])
    try poller.modify(near, for: .priority)
    #expect(batch.isEmpty)
  }

  // MARK: Unregistering too late

  @Test("unregistering after the close is no error", arguments: usableBackends, TriggerMode.allCases)
  func unregisteredAfterClose(backend: Poller.Backend, mode: TriggerMode) throws {
    let poller = try Poller(backend: backend)
    let pipe = try PipeDescriptors()
    let number = try poller.registerAndClose(duplicateOf: pipe.reader.fileDescriptor, mode)
    try poller.unregister(number)
    #expect(poller.count == 0)
    #expect(try poller.found(within: .milliseconds(1)) == [:])
  }

  @Test(
    "unregistering after the number was reused leaves the new file alone", arguments: usableBackends,
    TriggerMode.allCases)
  func unregisteredAfterReuse(backend: Poller.Backend, mode: TriggerMode) throws {
    let poller = try Poller(backend: backend)
    let (near, far) = try Socket.pair()
    let (other, otherPeer) = try Socket.pair()
    let owned = try OwnedDescriptor(duplicating: near.fileDescriptor).renumbered()
    let number = owned.fileDescriptor
    try poller.register(number, for: .read, mode: mode, token: 1)
    try number.become(other.fileDescriptor)
    try poller.unregister(number)
    try far.fileDescriptor.put()
    try otherPeer.fileDescriptor.put()
    #expect(try poller.found(within: .milliseconds(1)) == [:])
    #expect(try number.take() == 1, "the number is still the other socket's")
    try poller.register(number, for: .write, mode: mode, token: 2)
    #expect(try poller.tokens(within: patience) == [2])
  }

  @Test(
    "a number that was closed and reused by the poller itself can be modified or unregistered, and no edge is lost",
    // io_uring has no such instance, and would hold the file of another test that has the number by then.
    arguments: usableBackends.filter { $0 != .ioUring }, Interest.combinations)
  func takenByPoller(backend: Poller.Backend, interest: Interest) throws {
    let (near, far) = try Socket.pair()
    // Another test may take the number first. Then there is nothing to check.
    for attempt in 0..<10 {
      let poller = try Poller(backend: backend)
      let pipe = try PipeDescriptors()
      let number = pipe.reader.fileDescriptor
      try poller.register(number, for: interest, token: 2)
      try pipe.reader.close()
      try poller.register(near, for: .read, mode: .edge, token: 1)
      try far.fileDescriptor.put()
      try #require(try eventually { try poller.tokens(within: .milliseconds(1)).contains(1) })
      if attempt.isMultiple(of: 2) { try? poller.modify(number, for: interest) } else { try poller.unregister(number) }
      try far.fileDescriptor.put()
      try #require(try eventually { try poller.tokens(within: .milliseconds(1)).contains(1) })
      try near.fileDescriptor.drain()
    }
  }

  @Test(
    "descriptors that are closed among thousands are found by short waits, each once",
    arguments: usableBackends, [TriggerMode.level, .edge])
  func closedAmongThousands(backend: Poller.Backend, mode: TriggerMode) throws {
    try #require(OpenFileLimit().current > 6000)
    let poller = try Poller(backend: backend)
    let pipe = try PipeDescriptors()
    var others: [FileDescriptor] = []
    defer { for other in others { try? other.close() } }
    for token in 0..<3000 as Range<UInt64> {
      others.append(try OwnedDescriptor(duplicating: pipe.reader.fileDescriptor).release())
      try poller.register(others[others.count - 1], for: .read, mode: mode, token: token)
    }
    for _ in 0..<2 {
      // Numbers that no test running in parallel gets.
      let closed = try (0..<3).map { _ in
        try OwnedDescriptor(duplicating: pipe.reader.fileDescriptor).renumbered().release()
      }
      for number in closed { try poller.register(number, for: .read, mode: mode, token: 5000) }
      for number in closed { try number.close() }
      var found: [FileDescriptor] = []
      #expect(
        try eventually {
          for event in try poller.wait(timeout: .milliseconds(1)) where event.readiness == .invalid {
            found.append(event.descriptor)
          }
          return found.count >= closed.count
        })
      #expect(found.count == closed.count && Set(found) == Set(closed))
      for number in closed { try poller.unregister(number) }
    }
  }

  // MARK: Closed, while a duplicate exists

  @Test(
    "a descriptor that was closed before it was unregistered is silent, though a duplicate exists",
    arguments: usableBackends, TriggerMode.allCases)
  func duplicateLives(backend: Poller.Backend, mode: TriggerMode) throws {
    let poller = try Poller(backend: backend)
    let (near, far) = try Socket.pair()
    let number = try poller.registerAndClose(duplicateOf: near.fileDescriptor, mode)
    try poller.unregister(number)
    try far.fileDescriptor.put()
    for _ in 0..<3 { #expect(try poller.found() == [:]) }
    #expect(try poller.found(within: .milliseconds(10)) == [:])
  }

  @Test("a number that is now a regular file has no edges, and is forgotten", arguments: usableBackends)
  func becameRegular(backend: Poller.Backend) throws {
    let poller = try Poller(backend: backend)
    let pipe = try PipeDescriptors()
    let reader = try pipe.reader.renumbered()
    try poller.register(reader, for: .read, mode: .edge)
    let file = try FileDescriptor.open(FilePath("/proc/self/exe"), .readOnly, options: .closeOnExec)
    try reader.fileDescriptor.become(file)
    try file.close()
    let number = reader.fileDescriptor
    #expect(refusal { () throws(MultiplexError) in try poller.modify(number, for: .read, mode: .edge) } == .notOpen)
    #expect(poller.count == 0)
    #expect(try poller.found() == [:])
  }

  @Test("a wait doesn't spin on a closed descriptor whose duplicate is ready", arguments: usableBackends)
  func duplicateDoesNotSpin(backend: Poller.Backend) throws {
    for mode in TriggerMode.allCases {
      let poller = try Poller(backend: backend)
      let (near, far) = try Socket.pair()
      let number = try poller.registerAndClose(duplicateOf: near.fileDescriptor, mode)
      try poller.unregister(number)
      try far.fileDescriptor.put()
      let start = threadCPUTime()
      #expect(try poller.found(within: .milliseconds(400)) == [:])
      #expect(threadCPUTime() - start < .milliseconds(200))
    }
  }

  @Test(
    "a number that is registered again has only its own events, though a duplicate of the old file exists",
    arguments: usableBackends, TriggerMode.allCases)
  func duplicateLivesNumberReused(backend: Poller.Backend, mode: TriggerMode) throws {
    let poller = try Poller(backend: backend)
    let (near, far) = try Socket.pair()
    let (other, otherPeer) = try Socket.pair()
    let owned = try OwnedDescriptor(duplicating: near.fileDescriptor).renumbered()
    let number = owned.fileDescriptor
    try poller.register(number, for: .read, mode: mode, token: 1)
    try number.become(other.fileDescriptor)
    try poller.unregister(number)
    try poller.register(number, for: .read, mode: mode, token: 2)
    try far.fileDescriptor.put()
    #expect(try poller.tokens() == [])
    #expect(try poller.tokens(within: .milliseconds(10)) == [])
    try otherPeer.fileDescriptor.put()
    #expect(try poller.tokens(within: patience) == [2])
  }

  @Test(
    "a number that is the same file again after it was closed and unregistered can be registered",
    arguments: usableBackends, TriggerMode.allCases)
  func sameFileAgain(backend: Poller.Backend, mode: TriggerMode) throws {
    let poller = try Poller(backend: backend)
    let (near, far) = try Socket.pair()
    let number = try poller.registerAndClose(duplicateOf: near.fileDescriptor, mode, token: 1)
    try poller.unregister(number)
    try number.become(near.fileDescriptor)
    let again = OwnedDescriptor(adopting: number)
    try poller.register(again, for: .read, mode: mode, token: 2)
    try far.fileDescriptor.put()
    #expect(try poller.tokens(within: patience) == [2])
  }

  @Test(
    "a number that is modified after it was reused has only the new file's events", arguments: usableBackends,
    TriggerMode.allCases)
  func modifiedAfterReuse(backend: Poller.Backend, mode: TriggerMode) throws {
    try expectNewFileAlone(backend, mode, modifiedTo: [nil])
  }

  @Test(
    "a number whose mode is changed, and perhaps changed back, after it was reused has only the new file's events",
    arguments: usableBackends, TriggerMode.allCases)
  func otherModeAfterReuse(backend: Poller.Backend, mode: TriggerMode) throws {
    for newMode in TriggerMode.allCases {
      for modes in [[newMode], [newMode, mode]] { try expectNewFileAlone(backend, mode, modifiedTo: modes) }
    }
  }

  /// - Parameter modes: nil leaves the mode as it is.
  private func expectNewFileAlone(
    _ backend: Poller.Backend, _ mode: TriggerMode, modifiedTo modes: [TriggerMode?]
  ) throws {
    let poller = try Poller(backend: backend)
    let (near, far) = try Socket.pair()
    let (other, otherPeer) = try Socket.pair()
    let owned = try OwnedDescriptor(duplicating: near.fileDescriptor).renumbered()
    let number = owned.fileDescriptor
    try poller.register(number, for: .read, mode: mode)
    try number.become(other.fileDescriptor)
    for mode in modes { try poller.modify(number, for: .read, mode: mode) }
    try far.fileDescriptor.put()
    #expect(try poller.found() == [:], "\(mode), then \(modes)")
    #expect(try poller.found(within: .milliseconds(10)) == [:], "\(mode), then \(modes)")
    try otherPeer.fileDescriptor.put()
    #expect(try poller.found(within: patience) == [number: [.readable]])
    try poller.unregister(number)
    #expect(try poller.found(within: .milliseconds(10)) == [:])
  }

  @Test("a mode that replaces edge mode leaves the edges of other descriptors alone", arguments: usableBackends)
  func otherEdgesSurvive(backend: Poller.Backend) throws {
    let poller = try Poller(backend: backend)
    let (near, far) = try Socket.pair()
    let (other, otherPeer) = try Socket.pair()
    for (socket, token) in [(near, 1), (other, 2)] as [(Socket, UInt64)] {
      try poller.register(socket, for: .read, mode: .edge, token: token)
    }
    try far.fileDescriptor.put()
    try otherPeer.fileDescriptor.put()
    #expect(try poller.tokens(within: patience) == [1, 2])
    try poller.modify(near, for: .read, mode: .level)
    for _ in 0..<2 { #expect(try poller.tokens() == [1]) }
    try otherPeer.fileDescriptor.put()
    #expect(try poller.tokens() == [1, 2])
    try poller.modify(near, for: .read, mode: .edge)
    #expect(try poller.tokens() == [1])
    #expect(try poller.tokens() == [])
  }

  @Test(
    "a descriptor that was found closed stays silent, though a duplicate becomes ready", arguments: usableBackends,
    TriggerMode.allCases)
  func invalidThenReady(backend: Poller.Backend, mode: TriggerMode) throws {
    let poller = try Poller(backend: backend)
    let (near, far) = try Socket.pair()
    let number = try poller.registerAndClose(duplicateOf: near.fileDescriptor, mode)
    #expect(try eventually { try poller.found(within: .milliseconds(1)) == [number: [.invalid]] })
    try far.fileDescriptor.put()
    #expect(try poller.found() == [:])
    #expect(try poller.found(within: .milliseconds(10)) == [:])
    try poller.unregister(number)
  }

  @Test(
    "a closed descriptor is detected, though a duplicate is ready in each wait", arguments: usableBackends,
    [TriggerMode.level, .edge])
  func readyThenInvalid(backend: Poller.Backend, mode: TriggerMode) throws {
    let poller = try Poller(backend: backend)
    let (near, far) = try Socket.pair()
    let (other, otherPeer) = try Socket.pair()
    try poller.register(other, for: .read)
    let number = try poller.registerAndClose(duplicateOf: near.fileDescriptor, mode)
    try far.fileDescriptor.put()
    try #require(try eventually { try poller.found(within: .milliseconds(1))[number] == [.invalid] })
    try otherPeer.fileDescriptor.put()
    for _ in 0..<200 { #expect(try poller.found(within: patience) == [other.fileDescriptor: [.readable]]) }
    try poller.unregister(number)
  }

  @Test("removing a stale registration leaves the others as they were", arguments: usableBackends)
  func othersSurvive(backend: Poller.Backend) throws {
    let poller = try Poller(backend: backend)
    let pairs = try (0..<6).map { _ in try Socket.pair() }
    let silent = pairs[5]
    for (index, pair) in pairs.enumerated() {
      try poller.register(pair.0, for: .read, mode: TriggerMode.allCases[index % 3], token: UInt64(index))
    }
    try silent.1.fileDescriptor.put()
    #expect(try poller.tokens(within: patience) == [5], "a one-shot registration, silent from here on")

    for mode in TriggerMode.allCases { try leaveStaleRegistration(in: poller, mode: mode) }
    #expect(try poller.tokens(within: .milliseconds(5)) == [])
    for (_, far) in pairs { try far.fileDescriptor.put() }
    #expect(try poller.tokens(within: patience) == [0, 1, 2, 3, 4])
    #expect(try poller.tokens() == [0, 3], "level is repeated, edge and one-shot are not")
    try poller.modify(silent.0, for: .read)
    #expect(try poller.tokens() == [0, 3, 5])
    poller.waker.wake()
    #expect(try poller.wait(timeout: patience).wasWoken)
    for (near, _) in pairs { try poller.unregister(near) }
    #expect(try poller.tokens(within: .milliseconds(5)) == [])
  }

  /// A registration that epoll keeps, and that can no longer be removed.
  private func leaveStaleRegistration(in poller: Poller, mode: TriggerMode) throws {
    let (near, far) = try Socket.pair()
    let number = try poller.registerAndClose(duplicateOf: near.fileDescriptor, mode)
    try poller.unregister(number)
    try far.fileDescriptor.put()
    #expect(try poller.tokens() == [])
  }

  #if MULTIPLEX_FAULTS
    @Test(
      "readiness found along with a stale registration isn't lost when descriptors have run out",
      arguments: usableBackends)
    func shortage(backend: Poller.Backend) throws {
      for mode in TriggerMode.allCases {
        let poller = try Poller(backend: backend)
        let (near, far) = try Socket.pair()
        let number = try poller.registerAndClose(duplicateOf: near.fileDescriptor, mode)
        try poller.unregister(number)
        let (once, oncePeer) = try Socket.pair()
        let (edge, edgePeer) = try Socket.pair()
        try poller.register(once, for: .read, mode: .oneShot, token: 1)
        try poller.register(edge, for: .read, mode: .edge, token: 2)
        for peer in [far, oncePeer, edgePeer] { try peer.fileDescriptor.put() }
        var found: Set<UInt64> = []
        let plan = FaultPlan(seed: 1, oneIn: 1, faults: [.epoll_create1: [.tooManyOpenFiles]])
        FaultPlan.$current.withValue(plan) {
          for _ in 0..<3 { found.formUnion((try? poller.tokens()) ?? []) }
        }
        found.formUnion(try poller.tokens())
        #expect(found == [1, 2])
      }
    }

    @Test(
      "readiness isn't lost when descriptors have run out after the number of a closed one was reused and modified",
      arguments: usableBackends)
    func shortageAfterReuse(backend: Poller.Backend) throws {
      for mode in TriggerMode.allCases {
        let poller = try Poller(backend: backend)
        let (near, far) = try Socket.pair()
        let (other, otherPeer) = try Socket.pair()
        let (watched, watchedPeer) = try Socket.pair()
        let number = try poller.registerAndClose(duplicateOf: near.fileDescriptor, mode)
        try number.become(other.fileDescriptor)
        let owner = OwnedDescriptor(adopting: number)
        try poller.modify(number, for: .read)
        try poller.register(watched, for: .read, mode: mode, token: 2)
        try watchedPeer.fileDescriptor.put()
        // The old file's event must not count as the new one's.
        try far.fileDescriptor.put()
        let plan = FaultPlan(seed: 1, oneIn: 1, faults: [.epoll_create1: [.tooManyOpenFiles]])
        let found = FaultPlan.$current.withValue(plan) { (try? poller.tokens()) ?? [] }
        #expect(found == [2])
        try poller.unregister(owner)
        withExtendedLifetime(otherPeer) {}
      }
    }

    @Test(
      "a descriptor that the kernel has no room for when the set is rebuilt is added in a later wait",
      arguments: [Poller.Backend.epoll, .poll, .select].filter(usableBackends.contains), [Errno.noMemory, .noSpace])
    func rebuildShortOfMemory(backend: Poller.Backend, errno: Errno) throws {
      // The emulated edges have an epoll instance of their own.
      for mode in backend == .epoll ? TriggerMode.allCases : [.edge] {
        let poller = try Poller(backend: backend)
        let (near, far) = try Socket.pair()
        let (other, otherPeer) = try Socket.pair()
        let owned = try OwnedDescriptor(duplicating: near.fileDescriptor).renumbered()
        try poller.register(owned, for: .read, mode: mode, token: 1)
        try poller.register(other, for: .read, mode: mode, token: 2)
        let number = owned.fileDescriptor
        try owned.close()
        try poller.unregister(number)
        // A duplicate exists, and is ready: the wait detects that, and rebuilds the set.
        try far.fileDescriptor.put()
        let plan = FaultPlan(seed: 1, oneIn: 1, faults: [.epoll_ctl: [errno]])
        let error = FaultPlan.$current.withValue(plan) {
          #expect(throws: MultiplexError.self) { try poller.tokens(within: patience) }
        }
        #expect(error?.errno == errno)
        #expect(plan.injected > 0)
        try otherPeer.fileDescriptor.put()
        #expect(try poller.tokens(within: patience) == [2])
        try poller.unregister(other)
        #expect(try poller.tokens() == [])
        near.close()
      }
    }
  #endif

  // MARK: What the kernel does

  @Test("kernel: epoll reports a closed descriptor whose duplicate exists, and can't remove it")
  func kernelKeepsClosed() throws {
    let epoll = try Epoll()
    let (near, far) = try Socket.pair()
    let owned = try OwnedDescriptor(duplicating: near.fileDescriptor).renumbered()
    let number = owned.fileDescriptor
    try epoll.register(number, for: .in, data: 7)
    try owned.close()
    try far.fileDescriptor.put()
    #expect(try epoll.wait(timeout: patience).map(\.data) == [7])
    #expect(refusal { () throws(MultiplexError) in try epoll.unregister(number) } == .notOpen)
    #expect(try epoll.wait(timeout: patience).count == 1)
  }

  @Test("kernel: what a forked child removes from epoll is removed for its parent")
  func kernelForkRemoves() throws {
    let epoll = try Epoll()
    let (near, far) = try Socket.pair()
    try epoll.register(near, for: .in, data: 7)
    try far.fileDescriptor.put()
    #expect(try epoll.wait(timeout: patience).count == 1)
    #expect(Forks.make { cts_remove_in_child(epoll.fileDescriptor.rawValue, near.fileDescriptor.rawValue) } == 0)
    #expect(try epoll.wait(timeout: .zero).isEmpty)
    #expect(refusal { () throws(MultiplexError) in try epoll.unregister(near) } == .notRegistered)
  }

  @Test(
    "a forked child that closes everything and exits leaves its parent's poller as it was",
    arguments: usableBackends, TriggerMode.allCases)
  func fork(backend: Poller.Backend, mode: TriggerMode) throws {
    let poller = try Poller(backend: backend)
    let (near, far) = try Socket.pair()
    try poller.register(near, for: .read, mode: mode)
    let end = Int32(min(try OpenFileLimit.raise().current, 65_536))
    #expect(Forks.make { cts_close_all_in_child(end) } == 0)
    #expect(try poller.found() == [:])
    try far.fileDescriptor.put()
    #expect(try poller.found(within: patience) == [near.fileDescriptor: [.readable]])
    try poller.unregister(near)
  }

  @Test("kernel: with no events requested, epoll repeats hang-ups, and one-shot mode silences them")
  func kernelEmptyEvents() throws {
    let epoll = try Epoll()
    let (near, far) = try Socket.pair()
    try epoll.register(near, for: [])
    try far.shutdown(.both)
    for _ in 0..<2 { #expect(try epoll.wait(timeout: patience).map(\.events) == [.hangUp]) }
    try epoll.modify(near, for: .oneShot)
    #expect(try epoll.wait(timeout: patience).map(\.events) == [.hangUp])
    #expect(try epoll.wait(timeout: .zero).isEmpty)
  }

  @Test("kernel: with no events requested, poll repeats hang-ups")
  func kernelEmptyPoll() throws {
    var set = PollSet()
    let (near, far) = try Socket.pair()
    try set.register(near, for: [])
    #expect(try set.poll(timeout: .zero).isEmpty)
    try far.shutdown(.both)
    for _ in 0..<2 { #expect(try set.poll(timeout: patience).map(\.events) == [.hangUp]) }
  }
}

extension Poller {
  /// Watches a duplicate of a descriptor for reading, and closes it too early.
  ///
  /// - Returns: The number that it had, which no other test gets.
  fileprivate func registerAndClose(
    duplicateOf descriptor: FileDescriptor, _ mode: TriggerMode, token: UInt64 = 0
  ) throws -> FileDescriptor {
    let owned = try OwnedDescriptor(duplicating: descriptor).renumbered()
    let number = owned.fileDescriptor
    try register(number, for: .read, mode: mode, token: token)
    try owned.close()
    return number
  }
}
