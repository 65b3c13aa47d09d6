import Multiplex
import MultiplexAsync
import SystemPackage
import TestSupport
import Testing

/// Serialized, as some of these keep a processor busy.
@Suite("A reactor", .serialized, .timeLimit(.minutes(2)))
struct ReactorTests {
  @Test("a task runs on the reactor's one thread, and returns from it", arguments: usableBackends)
  func runsOnItsThread(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    let first = await reactor.run { (thread: ListedThread.current, isCurrent: reactor.isCurrent) }
    #expect(first.thread?.name == "reactor")
    let second = await reactor.run { ListedThread.current }
    #expect(first.isCurrent)
    #expect(first.thread != nil)
    #expect(first.thread == second)
    #expect(!reactor.isCurrent)
  }

  @Test("each body runs on its reactor, and the code after it doesn't", arguments: usableBackends)
  func thereAndBack(backend: Poller.Backend) async throws {
    let reactors = [try Reactor(backend: backend), try Reactor(backend: backend)]
    for _ in 0..<500 {
      for reactor in reactors {
        let isThere = await reactor.run { reactor.isCurrent }
        #expect(isThere)
        #expect(!reactors.contains { $0.isCurrent })
        let staysThere = try await reactor.run {
          try await reactor.sleep(for: .zero)
          return reactor.isCurrent
        }
        #expect(staysThere)
        #expect(!reactors.contains { $0.isCurrent })
      }
    }
  }

  @MainActor
  @Test("a task of the main actor runs on the reactor only for the body of run", arguments: usableBackends)
  func fromMainActor(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    let isCurrent = await reactor.run { reactor.isCurrent }
    #expect(isCurrent)
    #expect(!reactor.isCurrent)
    MainActor.assertIsolated()
  }

  @Test("a task can prefer the reactor from its beginning", arguments: usableBackends)
  func taskPreference(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    let isCurrent = await Task(executorPreference: reactor) { reactor.isCurrent }.value
    #expect(isCurrent)
  }

  @Test("child tasks and their children inherit the reactor", arguments: usableBackends)
  func inheritance(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    let strays = await reactor.run {
      await withTaskGroup(of: Bool.self) { group in
        for _ in 0..<20 {
          group.addTask {
            async let grandchild = reactor.isCurrent
            let inherited = await grandchild
            await Task.yield()
            return inherited && reactor.isCurrent
          }
        }
        return await group.reduce(0) { $0 + ($1 ? 0 : 1) }
      }
    }
    #expect(strays == 0)
  }

  @Test("an error of the body is thrown to the caller", arguments: usableBackends)
  func throwing(backend: Poller.Backend) async throws {
    struct Failure: Error {}
    let reactor = try Reactor(backend: backend)
    await #expect(throws: Failure.self) { try await reactor.run { throw Failure() } }
  }

  @Test("no job is lost that many threads enqueue", arguments: usableBackends)
  func manyThreads(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    let done = Counter()
    let strays = Counter()
    let parties = (0..<8).map { _ in
      SecondParty {
        for _ in 0..<1000 {
          Task(executorPreference: reactor) {
            if !reactor.isCurrent { strays.add() }
            done.add()
          }
        }
      }
    }
    #expect(await becomesTrue { done.value == 8000 })
    #expect(strays.value == 0)
    for party in parties { try party.join() }
  }

  @Test("jobs from one thread run in the order in which they were enqueued", arguments: usableBackends)
  func order(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    let order = Recorder<Int>()
    let party = SecondParty {
      for number in 0..<500 { Task(executorPreference: reactor) { order.add(number) } }
    }
    #expect(await becomesTrue { order.elements.count == 500 })
    try party.join()
    #expect(order.elements == Array(0..<500))
  }

  @Test("tasks that yield take turns with one another", arguments: usableBackends)
  func yielding(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    let counts = await reactor.run {
      await withTaskGroup(of: Int.self) { group in
        let rounds = Counter()
        for _ in 0..<2 {
          group.addTask {
            var lead = 0
            for _ in 0..<1000 {
              let before = rounds.add()
              await Task.yield()
              lead = max(lead, rounds.value - before)
            }
            return lead
          }
        }
        var leads: [Int] = []
        for await lead in group { leads.append(lead) }
        return leads
      }
    }
    // Between two steps of one task, the other makes one or two.
    #expect(counts.allSatisfy { $0 <= 3 }, "\(counts)")
  }

  @Test("a task that never stops yielding doesn't starve I/O", arguments: usableBackends)
  func busyTask(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    let peer = try await RawPeer(on: reactor)
    let steps = Counter()
    let busy = Task(executorPreference: reactor) {
      while !Task.isCancelled {
        steps.add()
        await Task.yield()
      }
    }
    for round in 0..<50 {
      try peer.socket.sendAll([UInt8(round)])
      #expect(try await peer.connection.read(exactly: 1) == [UInt8(round)])
    }
    // What has arrived before the read is returned within a few turns, counted in the busy task's steps.
    for _ in 0..<20 {
      try peer.socket.sendAll([1])
      let connection = peer.connection
      let lead = try await reactor.run {
        let before = steps.value
        _ = try await connection.read(exactly: 1)
        return steps.value - before
      }
      #expect(lead <= 2000)
    }
    busy.cancel()
    await busy.value
  }

  @Test("timers fire while a task never stops yielding", arguments: usableBackends)
  func busyTaskAndTimers(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    let steps = Counter()
    let busy = Task(executorPreference: reactor) {
      while !Task.isCancelled {
        steps.add()
        await Task.yield()
      }
    }
    #expect(await becomesTrue { steps.value > 0 })
    for _ in 0..<20 { try await reactor.sleep(for: .milliseconds(1)) }
    let before = steps.value
    #expect(await becomesTrue { steps.value > before }, "the busy task is still running")
    busy.cancel()
    await busy.value
  }

  @Test("the reactor's thread ends when the last reference is gone", arguments: usableBackends)
  func threadEnds(backend: Poller.Backend) async throws {
    let thread = try await { () async throws -> ListedThread? in
      let reactor = try Reactor(backend: backend)
      return await reactor.run { ListedThread.current }
    }()
    let ended = try #require(thread)
    #expect(await becomesTrue { !ended.isAlive })
  }

  @Test("the reactor's thread ends when the last reference goes away on that thread", arguments: usableBackends)
  func threadEndsFromWithin(backend: Poller.Backend) async throws {
    let thread = try await { () async throws -> ListedThread? in
      let reactor = try Reactor(backend: backend)
      let task = Task(executorPreference: reactor) { [reactor] in
        await Task.yield()
        return reactor.isCurrent ? ListedThread.current : nil
      }
      return await task.value
    }()
    let ended = try #require(thread)
    #expect(await becomesTrue { !ended.isAlive })
  }

  @Test("a connection that is dropped with its reactor is closed, and the thread ends", arguments: usableBackends)
  func droppedTogether(backend: Poller.Backend) async throws {
    for _ in 0..<50 {
      let (near, far) = try connectedPair()
      let thread = try await { () async throws -> ListedThread? in
        let reactor = try Reactor(backend: backend)
        let connection = try await Connection.adopt(near, on: reactor)
        let thread = await reactor.run { ListedThread.current }
        // The closing and the end reach the thread at the same time, since both happen here.
        _ = connection
        return thread
      }()
      let ended = try #require(thread)
      #expect(await becomesTrue { !ended.isAlive })
      // A child that is being created may have a copy for a moment.
      #expect(
        await becomesTrue {
          !kernelReadiness(of: far.fileDescriptor, for: .read).isDisjoint(with: [.readClosed, .hangUp])
        })
    }
  }

  #if MULTIPLEX_FAULTS
    @Test(
      "a connection is closed with its reactor though the kernel is short of memory",
      arguments: 1...8 as ClosedRange<UInt64>)
    func droppedWithoutMemory(seed: UInt64) async throws {
      for backend in usableBackends where backend == .ioUring {
        let plan = FaultPlan(
          seed: seed, oneIn: 2, faults: [.io_uring_enter: [.noMemory, .resourceTemporarilyUnavailable]])
        let (near, far) = try connectedPair()
        let thread = try await { () async throws -> ListedThread? in
          let reactor = try FaultPlan.$current.withValue(plan) { try Reactor(backend: backend) }
          let connection = try await Connection.adopt(near, on: reactor)
          let thread = await reactor.run { ListedThread.current }
          _ = connection
          return thread
        }()
        let ended = try #require(thread)
        #expect(await becomesTrue { !ended.isAlive })
        // A child that is being created may have a copy for a moment.
        #expect(
          await becomesTrue {
            !kernelReadiness(of: far.fileDescriptor, for: .read).isDisjoint(with: [.readClosed, .hangUp])
          })
      }
    }
  #endif

  @Test("reactors leave no descriptor open", arguments: usableBackends)
  func noDescriptorLeft(backend: Poller.Backend) async throws {
    for number in 0..<400 {
      let reactor = try Reactor(backend: backend)
      if number.isMultiple(of: 2) { await reactor.run {} }
    }
    // Tests that run in parallel have a few at a time.
    #expect(await becomesTrue { openDescriptors(ofKind: "eventfd") < 150 })
    #expect(await becomesTrue { openDescriptors(ofKind: "eventpoll") < 150 })
  }
}
