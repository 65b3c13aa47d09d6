import Multiplex
import MultiplexAsync
import SystemPackage
import TestSupport
import Testing

@Suite("Shutting down, idle connections first", .timeLimit(.minutes(2)))
struct ShutDownTests {
  @Test(
    "a shutdown closes idle connections with nothing to send, and doesn't count them as remaining",
    arguments: usableBackends)
  func idle(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    let listener = try await Listener.bind(to: "127.0.0.1:0", on: reactor)
    async let serving: Void = listener.serve(echo)
    let client = try await Connection.connect(to: listener.localAddress, on: reactor)
    try await client.write("x")
    #expect(try await client.read(exactly: 1) == Array("x".utf8))
    let start = ContinuousClock.now
    #expect(await listener.shutDown(within: .seconds(100), closingIdleAfter: .milliseconds(50)) == 0)
    #expect(ContinuousClock.now - start >= .milliseconds(50))
    await serving
    #expect(try await client.read()?.count == nil)
  }

  /// Closing the listener would reset them, though they have no reason to try again or elsewhere.
  @Test(
    "clients that are connected, but not accepted yet, are served to their end by a shutdown",
    arguments: usableBackends, [false, true])
  func connectedBefore(backend: Poller.Backend, isOnLoop: Bool) async throws {
    let reactor = try Reactor(backend: backend)
    let listener = try await Listener.bind(to: "127.0.0.1:0", on: reactor)
    try await expectService(of: listener, isOnLoop: isOnLoop, blocking: [reactor])
  }

  @Test(
    "clients that are connected, but not accepted yet, are served by every reactor of a group",
    arguments: usableBackends, [false, true])
  func connectedBeforeToGroup(backend: Poller.Backend, isUnix: Bool) async throws {
    let folder = try TemporaryFolder()
    let group = try ReactorGroup(count: 2, backend: backend)
    let address = isUnix ? SocketAddress.unix(path: folder.file("socket")) : try SocketAddress("127.0.0.1:0")
    let listener = try await ListenerGroup.bind(to: address, on: group)
    try await expectService(of: listener, isOnLoop: true, blocking: group.reactors)
  }

  @Test(
    "clients that haven't been served yet aren't idle, however long the handlers of others take",
    arguments: usableBackends, [false, true])
  func notIdle(backend: Poller.Backend, isOnLoop: Bool) async throws {
    let reactor = try Reactor(backend: backend)
    let listener = try await Listener.bind(to: "127.0.0.1:0", on: reactor)
    try await expectService(
      of: listener, isOnLoop: isOnLoop, blocking: [reactor], count: 100, handlingFor: .milliseconds(1),
      closingIdleAfter: .milliseconds(20))
  }

  /// - Parameters:
  ///   - count: How many clients there are; at most 255.
  ///   - time: How long each handler blocks its reactor at first.
  private func expectService(
    of listener: some ListenerProtocol, isOnLoop: Bool, blocking reactors: [Reactor], count: UInt8 = 40,
    handlingFor time: Duration = .zero, closingIdleAfter idleTime: Duration = .milliseconds(100)
  ) async throws {
    async let serving: Void = {
      if isOnLoop {
        await listener.serveChunks { _ in
          block(for: time)
          return ChunkHandler { chunk, replies in replies.write(chunk) }
        }
      } else {
        await listener.serve { connection in
          block(for: time)
          try await echo(connection)
        }
      }
    }()
    let first = try await answeredClient(of: listener)
    var clients: [Socket] = []
    // The reactors go on when nobody waits any more.
    let gate = Gate()
    let blocked = Counter()
    async let blocking: Void = withDiscardingTaskGroup { tasks in
      for reactor in reactors {
        tasks.addTask {
          let block = await BlockedReactor(reactor)
          blocked.add()
          await gate.pass()
          block.goOn()
        }
      }
    }
    #expect(await becomesTrue { blocked.value == reactors.count })
    for number in 1...count {
      let client = try Socket.connected(to: listener.localAddress)
      try client.sendAll([number])
      clients.append(client)
    }
    async let unfinished = listener.shutDown(within: .seconds(100), closingIdleAfter: idleTime)
    #expect(await becomesTrue { listener.isClosed })
    gate.open()
    await blocking
    for (index, client) in clients.enumerated() {
      var received: [UInt8] = []
      // A reset would throw.
      let hasEnded = try await becomesTrue {
        while let bytes = try client.receive(upTo: 10) {
          guard !bytes.isEmpty else { return true }
          received += bytes
        }
        return false
      }
      #expect(hasEnded && received == [UInt8(index + 1)])
    }
    #expect(await unfinished == 0)
    await serving
    withExtendedLifetime(first) {}
  }

  @Test(
    "serving ends only when clients that another reactor takes over at the end have been served",
    arguments: usableBackends)
  func handedOverBefore(backend: Poller.Backend) async throws {
    let folder = try TemporaryFolder()
    let group = try ReactorGroup(count: 2, backend: backend)
    let listener = try await ListenerGroup.bind(to: .unix(path: folder.file("socket")), on: group)
    let (ended, isOver) = (Counter(), Counter())
    async let serving: Void = {
      await listener.serveChunks { connection in
        connection.onClose { _ in ended.add() }
        return ChunkHandler { chunk, replies in replies.write(chunk) }
      }
      isOver.add()
    }()
    try Socket.connected(to: listener.localAddress).close()
    #expect(await becomesTrue { ended.value == 1 })
    let first = await BlockedReactor(group.reactors[0])
    let second = await BlockedReactor(group.reactors[1])
    let clients = try (1...40).map { (number: UInt8) in
      let client = try Socket.connected(to: listener.localAddress)
      try client.sendAll([number])
      try client.shutdown(.writing)
      return client
    }
    listener.close()
    first.goOn()
    // The others are on their way to the second reactor.
    #expect(await becomesTrue { ended.value == 1 + clients.count / 2 })
    try await group.reactors[0].takeTurns()
    #expect(isOver.value == 0)
    second.goOn()
    await serving
    #expect(try clients.map { try $0.receive(upTo: 10) } == (1...40).map { [$0] })
  }

  @Test("a close accepts connected clients for each server that has places", arguments: usableBackends)
  func connectedBeforeToServers(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    let listener = try await Listener.bind(to: "127.0.0.1:0", on: reactor)
    let limit = ConnectionLimit(1)
    async let limited: Void = listener.serve(limitedTo: limit, echo)
    // Holds the only place.
    let first = try await answeredClient(of: listener)
    async let unlimited: Void = listener.serve(echo)
    let second = try await answeredClient(of: listener)
    let blocked = await BlockedReactor(reactor)
    let clients = try (1...6).map { (number: UInt8) in
      let client = try Socket.connected(to: listener.localAddress)
      try client.sendAll([number])
      return client
    }
    listener.close()
    blocked.goOn()
    for (index, client) in clients.enumerated() {
      #expect(try await becomesTrue { try client.receive(upTo: 10) == [UInt8(index + 1)] })
      client.close()
    }
    first.close()
    second.close()
    await limited
    await unlimited
    // Each has released what it held.
    let again = try await Listener.bind(to: "127.0.0.1:0", on: reactor)
    let served = Counter()
    async let servingAgain: Void = again.serve(limitedTo: limit) { connection in
      served.add()
      try await echo(connection)
    }
    let waiting = try (0..<2).map { _ in try Socket.connected(to: again.localAddress) }
    #expect(await becomesTrue { served.value == 1 })
    try await reactor.takeTurns()
    #expect(served.value == 1)
    for client in waiting { client.close() }
    #expect(await becomesTrue { served.value == 2 })
    again.close()
    await servingAgain
  }

  @Test("a shutdown accepts no more clients than there are places", arguments: usableBackends)
  func connectedBeforeWithLimit(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    let listener = try await Listener.bind(to: "127.0.0.1:0", on: reactor)
    let limit = ConnectionLimit(3)
    let served = Counter()
    async let serving: Void = listener.serve(limitedTo: limit) { connection in
      served.add()
      try await echo(connection)
    }
    let first = try Socket.connected(to: listener.localAddress)
    #expect(await becomesTrue { served.value == 1 })
    let blocked = await BlockedReactor(reactor)
    let clients = try (0..<10).map { _ in try Socket.connected(to: listener.localAddress) }
    async let unfinished = listener.shutDown(within: .milliseconds(100))
    #expect(await becomesTrue { listener.isClosed })
    blocked.goOn()
    #expect(await unfinished == 3)
    await serving
    #expect(served.value <= 3)
    // Every place is free again.
    let again = try await Listener.bind(to: "127.0.0.1:0", on: reactor)
    async let servingAgain: Void = again.serve(limitedTo: limit) { _ in served.add(100) }
    for _ in 0..<3 { _ = try Socket.connected(to: again.localAddress) }
    #expect(await becomesTrue { served.value > 300 })
    again.close()
    await servingAgain
    withExtendedLifetime((first, clients)) {}
  }

  @Test("a second shutdown gives connections as long to be idle as the first", arguments: usableBackends)
  func twice(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    let listener = try await Listener.bind(to: "127.0.0.1:0", on: reactor)
    async let serving: Void = listener.serve(echo)
    let client = try await Connection.connect(to: listener.localAddress, on: reactor)
    for text in ["one", "two"] {
      try await client.write(text)
      #expect(try await client.read(exactly: 3) == Array(text.utf8))
    }
    async let first = listener.shutDown(within: .seconds(100), closingIdleAfter: .seconds(100))
    #expect(await becomesTrue { listener.isClosed })
    try await reactor.takeTurns()
    async let second = listener.shutDown(within: .seconds(100), closingIdleAfter: .seconds(100))
    try await reactor.takeTurns()
    try await client.write("three")
    #expect(try await client.read(exactly: 5) == Array("three".utf8))
    await client.close()
    #expect(await (first, second) == (0, 0))
    await serving
  }

  @Test("a handler that keeps its connection for further requests sees that it should end", arguments: usableBackends)
  func keptAlive(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    let group = try ReactorGroup(count: 2, backend: backend)
    let listeners: [any ListenerProtocol] = [
      try await Listener.bind(to: "127.0.0.1:0", on: reactor),
      try await ListenerGroup.bind(to: "127.0.0.1:0", on: group),
    ]
    for listener in listeners {
      let kept = Counter()
      async let serving: Void = listener.serve { connection in
        while let line = try await connection.readLine() {
          try await connection.write(line)
          if listener.isClosed { break }
          kept.add()
        }
      }
      let client = try await Connection.connect(to: listener.localAddress, on: reactor)
      try await client.write("first\n")
      #expect(try await client.readLine() == Array("first\n".utf8))
      // It has checked once.
      #expect(await becomesTrue { kept.value == 1 })
      async let left = listener.shutDown(within: .seconds(100))
      #expect(await becomesTrue { listener.isClosed })
      try await client.write("last\n")
      #expect(try await client.readLine() == Array("last\n".utf8))
      #expect(try await client.read()?.count == nil)
      #expect(await left == 0)
      await serving
    }
  }

  @Test("a shutdown spares a connection whose handler is processing what it has read", arguments: usableBackends)
  func atWork(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    let listener = try await Listener.bind(to: "127.0.0.1:0", on: reactor)
    let gate = Gate()
    let questions = Counter()
    async let serving: Void = listener.serve { connection in
      _ = try await connection.readLine()
      questions.add()
      await gate.pass()
      try await connection.write("answer")
      _ = try await connection.read()
    }
    let client = try await Connection.connect(to: listener.localAddress, on: reactor)
    try await client.write("question\n")
    #expect(await becomesTrue { questions.value == 1 })
    async let left = listener.shutDown(within: .seconds(100), closingIdleAfter: .milliseconds(10))
    try await reactor.sleep(for: .milliseconds(100))
    gate.open()
    #expect(try await client.read(exactly: 6) == Array("answer".utf8))
    #expect(await left == 0)
    await serving
    #expect(try await client.read()?.count == nil)
  }

  @Test("a shutdown spares a connection with bytes to send, however long it is idle", arguments: usableBackends)
  func owing(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    let bytes = [UInt8](repeating: 7, count: 16_000_000)
    let observed = Recorder<Int>()
    let listener = try await Listener.bind(to: "127.0.0.1:0", on: reactor)
    async let serving: Void = listener.serve { connection in
      connection.setWatermarks(Watermarks(low: 0, high: 100_000_000))
      try await connection.write(bytes)
      observed.add(await connection.queuedCount)
      _ = try await connection.read()
    }
    let client = try Socket.connected(to: listener.localAddress)
    #expect(await becomesTrue { observed.elements.count == 1 })
    #expect(try #require(observed.elements.first) > 0)
    async let left = listener.shutDown(within: .seconds(100), closingIdleAfter: .milliseconds(10))
    try await reactor.sleep(for: .milliseconds(100))
    var received = 0
    #expect(
      try await becomesTrue {
        while let some = try client.receive(upTo: 1 << 20) {
          guard !some.isEmpty else { return true }
          received += some.count
        }
        return false
      })
    #expect(received == bytes.count)
    #expect(await left == 0)
    await serving
  }

  @Test("a shutdown spares a connection whose bytes are being forwarded to a slow peer", arguments: usableBackends)
  func forwarding(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    let target = try await RawPeer(on: reactor, bufferSize: 4096)
    let bytes = numbered(400_000)
    let listener = try await Listener.bind(to: "127.0.0.1:0", on: reactor)
    let destination = target.connection
    destination.setWatermarks(Watermarks(low: 0, high: 0))
    async let serving: Void = listener.serve { try await $0.forward(to: destination) }
    let client = try await Connection.connect(to: listener.localAddress, on: reactor)
    try await client.write(bytes)
    try await client.closeWrite()
    #expect(await becomesTrue { await destination.queuedCount > 0 })
    async let left = listener.shutDown(within: .seconds(100), closingIdleAfter: .milliseconds(10))
    try await reactor.sleep(for: .milliseconds(100))
    #expect(try await target.take(bytes.count) == bytes)
    #expect(await left == 0)
    await serving
  }

  @Test("several listeners share a connection limit")
  func sharedLimit() async throws {
    let group = try ReactorGroup(count: 2)
    let one = try await ListenerGroup.bind(to: "127.0.0.1:0", on: group)
    let other = try await ListenerGroup.bind(to: "127.0.0.1:0", on: group)
    let listeners = [one, other]
    let limit = ConnectionLimit(1)
    let served = Counter()
    let serving = listeners.map { listener in
      Task {
        await listener.serve(limitedTo: limit) { connection in
          served.add()
          try await echo(connection)
        }
      }
    }
    let first = try await Connection.connect(to: listeners[0].localAddress, on: group.next())
    try await first.write("x")
    #expect(try await first.read(exactly: 1) == Array("x".utf8))
    let second = try await Connection.connect(to: listeners[1].localAddress, on: group.next())
    try await second.write("y")
    try await second.reactor.sleep(for: .milliseconds(50))
    #expect(served.value == 1)
    await first.close()
    #expect(try await second.read(exactly: 1) == Array("y".utf8))
    await second.close()
    for listener in listeners { await listener.shutDown(within: .seconds(60)) }
    for task in serving { await task.value }
  }

  @Test(
    "a listener group shares its address neither with another group nor with a listener of its own", arguments: [1, 3])
  func exclusive(count: Int) async throws {
    let group = try ReactorGroup(count: count)
    let listener = try await ListenerGroup.bind(to: "127.0.0.1:0", on: group)
    let address = listener.localAddress
    let other = try ReactorGroup(count: 2)
    for _ in 0..<2 {
      let error = await #expect(throws: MultiplexError.self) { try await ListenerGroup.bind(to: address, on: other) }
      #expect(error?.errno == .addressInUse)
    }
    await listener.shutDown(within: .zero)
  }
}
