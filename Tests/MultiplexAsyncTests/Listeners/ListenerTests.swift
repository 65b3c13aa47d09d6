import Foundation
import Multiplex
import MultiplexAsync
import SystemPackage
import Synchronization
import TestSupport
import Testing

@Suite("A listener", .timeLimit(.minutes(3)))
struct ListenerTests {
  @Test(
    "a listener serves more connections than a task group holds, and replaces those that end",
    arguments: usableBackends)
  func groups(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    let (begun, ended) = (Counter(), Counter())
    try await withServer(on: reactor) { connection in
      begun.add()
      defer { ended.add() }
      try await echo(connection)
    } while: { listener in
      var clients = try (0..<400).map { _ in try Socket.connected(to: listener.localAddress) }
      for _ in 0..<3 {
        for client in clients { try client.sendAll([7]) }
        for client in clients { #expect(await becomesTrue { (try? client.receive(upTo: 1)) == [7] }) }
        // Every third ends, and is replaced.
        for index in clients.indices where index.isMultiple(of: 3) {
          clients[index] = try Socket.connected(to: listener.localAddress)
        }
      }
      let idle = clients
      #expect(await becomesTrue { begun.value == 802 && ended.value == 402 })
      async let unfinished = listener.shutDown(within: .milliseconds(10))
      #expect(await unfinished == 400)
      for client in idle { #expect(await becomesTrue { isEnded(client) }) }
    }
  }

  private func isEnded(_ socket: Socket) -> Bool {
    do { return try socket.receive(upTo: 1)?.isEmpty == true } catch { return true }
  }

  #if MULTIPLEX_FAULTS
    @Test("a Unix listener that can't be waited for leaves no file behind")
    func noWait() async throws {
      let folder = try TemporaryFolder()
      let reactor = try Reactor(backend: .epoll)
      let plan = FaultPlan(seed: 1, oneIn: 1, faults: [.epoll_ctl: [.noSpace]])
      await FaultPlan.$current.withValue(plan) {
        await #expect(throws: MultiplexError.self) {
          _ = try await Listener.bind(to: .unix(path: folder.file("socket")), on: reactor)
        }
      }
      #expect(!folder.exists("socket"))
    }
  #endif

  @Test("what a handler has written is delivered after it has returned", arguments: usableBackends)
  func deliveredAfterReturn(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    let bytes = numbered(200_000)
    try await withServer(on: reactor) { connection in
      try await connection.write(bytes)
    } while: { listener in
      let client = try await Connection.connect(to: listener.localAddress, on: reactor)
      #expect(try await client.read(exactly: bytes.count) == bytes)
      #expect(try await client.read()?.count == nil)
    }
  }

  @Test("shutting down waits for the connections that are being served", arguments: usableBackends)
  func drain(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    let listener = try await Listener.bind(to: "127.0.0.1:0", on: reactor)
    let serving = Task { await listener.serve(echo) }
    let client = try await Connection.connect(to: listener.localAddress, on: reactor)
    try await client.write("x")
    #expect(try await client.read(exactly: 1) == Array("x".utf8))
    let isDown = Counter()
    let shutDown = Task {
      let aborted = await listener.shutDown(within: .seconds(100))
      isDown.add()
      return aborted
    }
    // Nobody is accepted any more.
    #expect(await becomesRefused(listener.localAddress))
    #expect(isDown.value == 0)
    // The existing one is served as before.
    try await client.write("y")
    #expect(try await client.read(exactly: 1) == Array("y".utf8))
    await client.close()
    #expect(await shutDown.value == 0)
    await serving.value
  }

  @Test(
    "a shutdown ends at its deadline, even if a handler of the listener is waiting for it", arguments: usableBackends)
  func shutDownByHandler(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    let listener = try await Listener.bind(to: "127.0.0.1:0", on: reactor)
    let counts = Recorder<Int>()
    let serving = Task {
      await listener.serve { connection in
        _ = try await connection.read()
        counts.add(await listener.shutDown(within: .milliseconds(10)))
      }
    }
    let client = try await Connection.connect(to: listener.localAddress, on: reactor)
    try await client.write("x")
    await serving.value
    #expect(counts.elements == [1])
  }

  @Test("a handler that is busy elsewhere at the deadline is cancelled", arguments: usableBackends)
  func drainCancels(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    let listener = try await Listener.bind(to: "127.0.0.1:0", on: reactor)
    let hasBegun = Counter()
    let serving = Task {
      await listener.serve { _ in
        hasBegun.add()
        try await reactor.sleep(for: .seconds(1000))
      }
    }
    let client = try await Connection.connect(to: listener.localAddress, on: reactor)
    #expect(await becomesTrue { hasBegun.value == 1 })
    #expect(await listener.shutDown(within: .milliseconds(5)) == 1)
    await serving.value
    #expect(try await client.read()?.count == nil)
  }

  @Test("two shutdowns at once both wait, and the shorter limit counts", arguments: usableBackends)
  func shutDownTwice(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    let listener = try await Listener.bind(to: "127.0.0.1:0", on: reactor)
    let serving = Task { await listener.serve(echo) }
    let client = try await Connection.connect(to: listener.localAddress, on: reactor)
    try await client.write("x")
    #expect(try await client.read(exactly: 1) == Array("x".utf8))
    let hasBegun = Counter()
    let patient = Task(executorPreference: reactor) {
      hasBegun.add()
      await listener.shutDown(within: .seconds(1000))
    }
    #expect(await becomesTrue { hasBegun.value == 1 })
    #expect(await listener.shutDown(within: .zero) == 1)
    await patient.value
    await serving.value
    #expect(await listener.shutDown(within: .zero) == 0)
  }

  @Test("cancelling serve cancels the handlers and returns", arguments: usableBackends)
  func cancelServe(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    let listener = try await Listener.bind(to: "127.0.0.1:0", on: reactor)
    let cancelled = Counter()
    let serving = Task {
      await listener.serve { connection in
        do {
          try await echo(connection)
        } catch let error as ConnectionError where error.reason == .cancelled {
          cancelled.add()
          throw error
        }
      }
    }
    var clients: [Connection] = []
    for _ in 0..<5 {
      let client = try await Connection.connect(to: listener.localAddress, on: reactor)
      try await client.write("x")
      #expect(try await client.read(exactly: 1) == Array("x".utf8))
      clients.append(client)
    }
    serving.cancel()
    await serving.value
    #expect(cancelled.value == 5)
    for client in clients { #expect(try await client.read()?.count == nil) }
    // The listener itself stays open: another task may serve.
    let again = Task { await listener.serve(echo) }
    let client = try await Connection.connect(to: listener.localAddress, on: reactor)
    try await client.write("x")
    #expect(try await client.read(exactly: 1) == Array("x".utf8))
    again.cancel()
    await again.value
  }

  @Test("a handler that has cancelled itself notices at its next wait", arguments: usableBackends)
  func cancelledByItself(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    let listener = try await Listener.bind(to: "127.0.0.1:0", on: reactor)
    let reason = Mutex<ConnectionError.Reason?>(nil)
    let serving = Task {
      await listener.serve { connection in
        unsafe withUnsafeCurrentTask { unsafe $0?.cancel() }
        do throws(ConnectionError) {
          _ = try await connection.read()
        } catch {
          reason.withLock { $0 = error.reason }
        }
      }
    }
    let client = try await Connection.connect(to: listener.localAddress, on: reactor)
    #expect(try await client.read()?.count == nil)
    #expect(reason.withLock { $0 } == .cancelled)
    serving.cancel()
    await serving.value
  }

  /// Serving is cancelled and the listener shut down in turn, with a reactor of its own for each connection, or one
  /// that the connection is handed over to. In that case the end may come while a connection is between the two.
  @Test(
    "no handler keeps waiting when serving ends while clients are connecting", arguments: usableBackends,
    Array(1...10 as ClosedRange<UInt64>))
  func endedWhileClientsCome(backend: Poller.Backend, seed: UInt64) async throws {
    var random = SeededGenerator(seed: seed)
    let group = try ReactorGroup(count: 2, backend: backend)
    let folder = try TemporaryFolder()
    let address = seed % 2 == 0 ? SocketAddress.ipv4(.loopback, port: 0) : .unix(path: folder.file("socket"))
    for round in 0..<10 {
      let listener = try await ListenerGroup.bind(to: address, on: group)
      let running = Counter()
      let serving = Task {
        await listener.serve { connection in
          running.add()
          defer { running.add(-1) }
          while try await connection.read() != nil {}
        }
      }
      var clients: [Socket] = []
      let early = Int.random(in: 0...20, using: &random)
      for _ in 0..<early {
        clients.append(try Socket.connecting(to: listener.localAddress))
        if Bool.random(using: &random) { await Task.yield() }
      }
      let ending = Task {
        if round % 2 == 0 { serving.cancel() } else { await listener.shutDown(within: .zero) }
      }
      // Refused once serving has ended.
      for _ in early..<20 { try? clients.append(Socket.connecting(to: listener.localAddress)) }
      // Ends, though the clients send nothing and stay connected.
      await ending.value
      await serving.value
      #expect(running.value == 0)
      await listener.shutDown(within: .zero)
      withExtendedLifetime(clients) {}
    }
  }

  @Test(
    "serving ends when the listener is closed, even at the maximum number of connections", arguments: usableBackends)
  func closeWhileFull(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    for maximum in [1, .max] {
      let listener = try await Listener.bind(to: "127.0.0.1:0", on: reactor)
      let serving = Task { await listener.serve(maximumConnections: maximum, echo) }
      let client = try await Connection.connect(to: listener.localAddress, on: reactor)
      try await client.write("x")
      #expect(try await client.read(exactly: 1) == Array("x".utf8))
      listener.close()
      listener.close()
      await client.close()
      await serving.value
    }
  }

  @Test("two tasks that serve one listener each wait for their own connections", arguments: usableBackends)
  func twoServers(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    let listener = try await Listener.bind(to: "127.0.0.1:0", on: reactor)
    // Each serves one at a time, so the first takes the first client.
    let hasBegun = Counter()
    let ended = Recorder<Int>()
    let servers = (0..<2).map { number in
      Task {
        await listener.serve(maximumConnections: 1) { connection in
          hasBegun.add()
          try await connection.write([UInt8(number)])
          try await echo(connection)
        }
        ended.add(number)
      }
    }
    var clients: [Int: Connection] = [:]
    for _ in 0..<2 {
      let client = try await Connection.connect(to: listener.localAddress, on: reactor)
      clients[Int(try await client.read(exactly: 1)[0])] = client
    }
    #expect(clients.count == 2)
    listener.close()
    for number in [1, 0] {
      await clients[number]?.close()
      await servers[number].value
      #expect(ended.elements == (number == 1 ? [1] : [1, 0]))
    }
  }

  #if MULTIPLEX_FAULTS
    @Test("connections that end don't wake the accepting task", arguments: usableBackends)
    func quietEnds(backend: Poller.Backend) async throws {
      let plan = FaultPlan(seed: 1, oneIn: .max, faults: [:])
      let reactor = try Reactor(backend: backend)
      let listener = try await Listener.bind(to: "127.0.0.1:0", on: reactor)
      let serving = FaultPlan.$current.withValue(plan) { Task { await listener.serve(echo) } }
      for _ in 0..<50 {
        let client = try await Connection.connect(to: listener.localAddress, on: reactor)
        try await client.write([1])
        #expect(try await client.read(exactly: 1) == [1])
        try await client.closeWrite()
        #expect(try await client.read()?.count == nil)
      }
      await listener.shutDown(within: .seconds(30))
      await serving.value
      // For each connection one that succeeds, and one that finds no more.
      #expect(plan.count(of: .accept4) <= 2 * 50 + 2)
    }
  #endif

  @Test("accept takes one connection at a time, and reports when the listener is closed", arguments: usableBackends)
  func accept(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    let listener = try await Listener.bind(to: "127.0.0.1:0", on: reactor)
    async let accepted = listener.accept()
    let client = try await Connection.connect(to: listener.localAddress, on: reactor)
    let connection = try #require(try await accepted)
    try await client.write("x")
    #expect(try await connection.read(exactly: 1) == Array("x".utf8))
    async let none = listener.accept()
    listener.close()
    #expect(try await none == nil)
    #expect(try await listener.accept() == nil)
  }

  @Test(
    "several tasks can accept at once, and cancelling one doesn't affect the others",
    arguments: usableBackends)
  func acceptConcurrently(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    let listener = try await Listener.bind(to: "127.0.0.1:0", on: reactor)
    let accepted = Counter()
    let tasks = (0..<6).map { _ in
      Task {
        let connection = try await listener.accept()
        accepted.add()
        return connection
      }
    }
    await reactor.run {}
    for task in [tasks[0], tasks[3]] {
      task.cancel()
      await #expect(throws: CancellationError.self) { _ = try await task.value }
    }
    var clients: [Connection] = []
    for _ in 0..<4 { clients.append(try await Connection.connect(to: listener.localAddress, on: reactor)) }
    #expect(await becomesTrue { accepted.value == 4 })
    var served: Set<ObjectIdentifier> = []
    for index in [1, 2, 4, 5] {
      let connection = try #require(try await tasks[index].value)
      #expect(served.insert(ObjectIdentifier(connection)).inserted)
    }
  }

  @Test("others run while a listener waits for the lock on its socket's directory")
  func lockedDirectory() async throws {
    let folder = try TemporaryFolder()
    let reactor = try Reactor()
    let lock = try FileDescriptor.open(FilePath(folder.path), .readOnly, options: [.directory, .closeOnExec])
    try Kernel.lock(lock.rawValue)
    let order = Recorder<String>()
    let binding = Task(executorPreference: reactor) {
      order.add("binding")
      // Queued before the listener begins to wait, which it gives up after a second.
      let other = Task(executorPreference: reactor) { order.add("other") }
      let listener = try await Listener.bind(to: .unix(path: folder.file("socket")), on: reactor)
      order.add("bound")
      listener.close()
      await other.value
    }
    #expect(await becomesTrue { order.elements.starts(with: ["binding", "other"]) })
    try lock.close()
    try await binding.value
    #expect(order.elements == ["binding", "other", "bound"])
  }

  @Test("a cancelled accept loses no connection", arguments: usableBackends)
  func acceptCancelled(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    let listener = try await Listener.bind(to: "127.0.0.1:0", on: reactor)
    var accepted = 0
    var clients: [Socket] = []
    for _ in 0..<50 {
      let task = Task { try await listener.accept() }
      clients.append(try Socket.connecting(to: listener.localAddress))
      task.cancel()
      if case .success(let connection) = await task.result, connection != nil { accepted += 1 }
    }
    while accepted < 50 {
      _ = try #require(try await listener.accept())
      accepted += 1
    }
  }

  @Test("an adopted listening socket becomes a listener and keeps its options", arguments: usableBackends)
  func adopted(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    let socket = try Socket.listening(on: .ipv4(.loopback, port: 0))
    try socket.set(.outOfBandInline, to: true)
    let address = try socket.localAddress()
    let listener = try await Listener.adopt(socket, on: reactor)
    #expect(listener.localAddress == address)
    let client = try Socket.connected(to: address)
    let connection = try #require(try await listener.accept())
    #expect(try await connection.value(of: .outOfBandInline) == true)
    try client.sendAll([1, 2])
    #expect(try await connection.read(exactly: 2) == [1, 2])
    listener.close()
    #expect(await becomesTrue { (try? Socket.connected(to: address)) == nil })
  }

  @Test("other owners of a listener's socket keep listening when the listener is closed", arguments: usableBackends)
  func adoptedFromOthers(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    let folder = try TemporaryFolder()
    for address in [SocketAddress.ipv4(.loopback, port: 0), .unix(path: folder.file("socket"))] {
      let shared = try await SharedListener(at: address, on: reactor)
      let (listener, theirs) = (shared.listener, shared.theirs)
      let serving = Task { await listener.serve { _ in } }
      let served = try Socket.connected(to: theirs.localAddress())
      #expect(await becomesTrue { kernelReadiness(of: served.fileDescriptor, for: .read).contains(.readClosed) })
      await listener.shutDown(within: .seconds(5))
      await serving.value
      // Two turns later nothing else takes their connections.
      try await reactor.takeTurns(2)
      let client = try Socket.connected(to: theirs.localAddress())
      #expect(await becomesTrue { kernelReadiness(of: theirs.fileDescriptor, for: .read).contains(.readable) })
      let accepted = try #require(try theirs.accept())
      try client.sendAll([1])
      #expect(try await becomesTrue { try accepted.receive(upTo: 1) == [1] })
    }
    #expect(folder.exists("socket"))
  }

  @Test("a listener accepts no connections ahead of time that other owners could accept", arguments: usableBackends)
  func acceptBesideOthers(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    let shared = try await SharedListener(on: reactor)
    let (listener, theirs) = (shared.listener, shared.theirs)
    let accepting = Task(executorPreference: reactor) { try await listener.accept() }
    let clients = try (0..<10).map { _ in try Socket.connected(to: theirs.localAddress()) }
    #expect(try await accepting.value != nil)
    // The kernel has delivered what it was asked for by then.
    try await reactor.takeTurns()
    listener.close()
    for _ in clients.dropFirst() { #expect(await becomesTrue { (try? theirs.accept()) != nil }) }
  }

  @Test("after a cancelled accept, connections go to other owners of the socket", arguments: usableBackends)
  func acceptCancelledBesideOthers(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    let shared = try await SharedListener(on: reactor)
    let (listener, theirs) = (shared.listener, shared.theirs)
    let accepting = Task(executorPreference: reactor) { try await listener.accept() }
    // It waits, and the kernel knows.
    try await reactor.takeTurns()
    accepting.cancel()
    await #expect(throws: CancellationError.self) { _ = try await accepting.value }
    // It no longer waits, and the kernel knows.
    try await reactor.takeTurns()
    let client = try Socket.connected(to: theirs.localAddress())
    #expect(await becomesTrue(within: .seconds(5)) { (try? theirs.accept()) != nil })
    // It accepts again when asked to.
    let other = try Socket.connected(to: theirs.localAddress())
    #expect(try await listener.accept() != nil)
    withExtendedLifetime((client, other)) {}
  }

  @Test("closing doesn't wait for another owner's lock on the directory of a Unix socket", arguments: usableBackends)
  func lockedFolder(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    let folder = try TemporaryFolder()
    let path = folder.file("socket")
    let listener = try await Listener.bind(to: .unix(path: path), on: reactor)
    let lock = try FileDescriptor.open(FilePath(folder.path), .readOnly, options: [.directory, .closeOnExec])
    try Kernel.lock(lock.rawValue)
    let isThereYet = await reactor.run {
      listener.close()
      return folder.exists("socket")
    }
    #expect(isThereYet)
    try lock.close()
    #expect(await becomesTrue { !folder.exists("socket") })
  }

  @Test("the file of a Unix socket is removed with the listener", arguments: usableBackends)
  func unixSocketFile(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    let folder = try TemporaryFolder()
    let path = folder.file("socket")
    do {
      let listener = try await Listener.bind(to: .unix(path: path), on: reactor)
      #expect(FileManager.default.fileExists(atPath: path))
      let serving = Task { await listener.serve(echo) }
      let client = try await Connection.connect(to: .unix(path: path), on: reactor)
      try await client.write("x")
      #expect(try await client.read(exactly: 1) == Array("x".utf8))
      await client.close()
      await listener.shutDown(within: .seconds(10))
      await serving.value
      #expect(!FileManager.default.fileExists(atPath: path))
    }
    do {
      // Dropped instead of closed.
      _ = try await Listener.bind(to: .unix(path: path), on: reactor)
    }
    #expect(await becomesTrue { !FileManager.default.fileExists(atPath: path) })
  }

  @Test("a thousand short connections leave no socket open", arguments: usableBackends)
  func churn(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    var address: SocketAddress?
    try await withServer(on: reactor, echo) { listener in
      address = listener.localAddress
      let failures = Counter()
      try await withThrowingTaskGroup { group in
        for client in 0..<10 {
          group.addTask {
            for round in 0..<100 {
              let connection = try await Connection.connect(to: listener.localAddress, on: reactor)
              try await connection.write([1, 2, 3])
              if try await connection.read(exactly: 3) != [1, 2, 3] { failures.add() }
              // Closed, aborted, or just dropped.
              switch (client + round) % 3 {
              case 0: await connection.close()
              case 1: connection.abort()
              default: break
              }
            }
          }
        }
        try await group.waitForAll()
      }
      #expect(failures.value == 0)
      #expect(try await becomesTrue { try heldSockets(at: listener.localAddress) == 1 })
    }
    let closed = try #require(address)
    #expect(try await becomesTrue { try heldSockets(at: closed) == 0 })
  }

  @Test("a backlog of connections is accepted in few turns", arguments: usableBackends)
  func backlog(backend: Poller.Backend) async throws {
    let observer = RecordingObserver([.turns, .connections])
    let reactor = try Reactor(backend: backend, observer: observer)
    try await withServer(on: reactor, echo) { listener in
      let blocked = await BlockedReactor(reactor)
      let clients = try (0..<300).map { _ in try Socket.connected(to: listener.localAddress, timeout: .seconds(30)) }
      let before = observer.turnCount
      blocked.goOn()
      #expect(await becomesTrue { observer.opened.count == clients.count })
      #expect(observer.turnCount - before < 50)
    }
  }

  @Test("a flood of connections doesn't starve existing ones", arguments: usableBackends)
  func flood(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    let listener = try await Listener.bind(to: "127.0.0.1:0", on: reactor)
    let peer = try await RawPeer(on: reactor)
    let connection = peer.connection
    let reading = Task(executorPreference: reactor) { try await connection.read(exactly: 1) }
    await reactor.run { await Task.yield() }
    let clients = try (0..<1000).map { _ in try Socket.connected(to: listener.localAddress, timeout: .seconds(30)) }
    let accepted = Counter()
    let before = Task(executorPreference: reactor) {
      _ = try await reading.value
      return accepted.value
    }
    let accepting = Task(executorPreference: reactor) {
      for _ in 0..<clients.count {
        #expect(try await listener.accept() != nil)
        // The byte arrives in the middle of the flood, which a ring may have accepted as a whole by then.
        if accepted.add() == 1 { try peer.socket.sendAll([1]) }
      }
    }
    #expect(try await before.value < 500)
    try await accepting.value
  }
}
