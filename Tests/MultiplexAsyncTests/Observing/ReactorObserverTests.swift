import Multiplex
import MultiplexAsync
import SystemPackage
import TestSupport
import Testing

@Suite("An observer", .timeLimit(.minutes(2)))
struct ReactorObserverTests {
  @Test("an observer is notified of a connection from beginning to end, in order", arguments: usableBackends)
  func story(backend: Poller.Backend) async throws {
    let observer = RecordingObserver()
    let reactor = try Reactor(backend: backend, observer: observer)
    try await withServer(on: reactor, echo) { listener in
      let client = try Socket.connected(to: listener.localAddress)
      let address = try client.localAddress()
      try client.sendAll(Array("hello".utf8))
      #expect(await becomesTrue { observer.sent == [5] })
      try client.shutdown(.writing)
      #expect(await becomesTrue { observer.closed.count == 1 })
      let connection = try #require(observer.opened.first)
      #expect(connection.peer == address)
      #expect(connection.origin == .accepted(at: listener.localAddress))
      #expect(
        observer.story(of: connection)
          == ["opened", "received 5", "sent 5", "received the end", "closed: finished, unsent 0"])
    }
  }

  @Test("an observer is called only on the reactor's thread", arguments: usableBackends)
  func thread(backend: Poller.Backend) async throws {
    let observer = RecordingObserver()
    let reactor = try Reactor(backend: backend, observer: observer)
    try await withServer(on: reactor, echo) { listener in
      // By a task that runs elsewhere.
      let connection = try await Connection.connect(to: listener.localAddress, on: reactor)
      try await connection.write("x")
      #expect(try await connection.read(exactly: 1) == Array("x".utf8))
      connection.abort()
    }
    #expect(await observer.threads == [reactor.run { ListedThread.current }])
  }

  @Test("an observer is notified where a listener listens, and when it stops", arguments: usableBackends)
  func listener(backend: Poller.Backend) async throws {
    let observer = RecordingObserver()
    let reactor = try Reactor(backend: backend, observer: observer)
    let listener = try await Listener.bind(to: "127.0.0.1:0", on: reactor)
    let observed = try #require(observer.listeners.first)
    #expect(observed.localAddress == listener.localAddress)
    #expect(observer.stoppedListeners.isEmpty)
    await listener.shutDown(within: .zero)
    await listener.shutDown(within: .zero)
    #expect(observer.listeners == [observed])
    #expect(observer.stoppedListeners == [observed])
  }

  @Test(
    "an observer is notified of each descriptor a wait has found ready, and how many there were",
    arguments: usableBackends)
  func readySet(backend: Poller.Backend) async throws {
    let observer = RecordingObserver()
    let reactor = try Reactor(backend: backend, observer: observer)
    try await withServer(on: reactor, echo) { listener in
      let client = try Socket.connected(to: listener.localAddress)
      // Bytes that arrive with the connection are read without a wait, later ones aren't.
      for sent in [[1], [1, 1]] {
        try client.sendAll([1])
        #expect(await becomesTrue { observer.sent == sent })
      }
      // The same goes for connections: one from before the listener was served was accepted without a wait.
      let later = try Socket.connected(to: listener.localAddress)
      defer { later.close() }
      #expect(await becomesTrue { observer.opened.count == 2 })
      // A turn with only a wake ends the turn that is examined.
      #expect(
        await becomesTrue {
          await reactor.run {}
          return endsWithTurn(observer.all)
        })

      let listening = try #require(observer.listeners.first).descriptor
      let connected = try #require(observer.opened.first).descriptor
      var sinceTurn = 0
      var readable: Set<FileDescriptor> = []
      for happening in observer.all {
        switch happening {
        case .ready(let descriptor, let readiness):
          sinceTurn += 1
          if readiness.isReadable { readable.insert(descriptor) }
        case .turnEnded(let readyCount):
          #expect(readyCount == sinceTurn)
          sinceTurn = 0
        default: break
        }
      }
      #expect(readable.isSuperset(of: [listening, connected]))
    }
  }

  private func endsWithTurn(_ happenings: [RecordingObserver.Happening]) -> Bool {
    if case .turnEnded = happenings.last { true } else { false }
  }

  @Test("an observer is notified when a borrowed descriptor is ready", arguments: usableBackends)
  func borrowedDescriptor(backend: Poller.Backend) async throws {
    let observer = RecordingObserver(.turns)
    let reactor = try Reactor(backend: backend, observer: observer)
    let pipe = try PipeDescriptors()
    let reader = pipe.reader.fileDescriptor
    _ = try pipe.writer.fileDescriptor.writeAll([1])
    _ = try await reactor.readiness(of: reader, for: .read)
    #expect(
      observer.all.contains { if case .ready(reader, let readiness) = $0 { readiness.isReadable } else { false } })
    let writer = pipe.writer.fileDescriptor
    _ = try await reactor.readiness(of: writer, for: .write)
    #expect(
      observer.all.contains { if case .ready(writer, let readiness) = $0 { readiness == .writable } else { false } })
  }

  @Test("an observer isn't notified of a descriptor that is already closed", arguments: usableBackends)
  func closedDescriptor(backend: Poller.Backend) async throws {
    let observer = RecordingObserver()
    let reactor = try Reactor(backend: backend, observer: observer)
    let listener = try await Listener.bind(to: "127.0.0.1:0", on: reactor)
    let peer = try await RawPeer(on: reactor)
    let connection = peer.connection
    let reads = Counter()
    let reading = Task(executorPreference: reactor) {
      reads.add()
      return try await connection.read()?.count
    }
    #expect(await becomesTrue { reads.value == 1 })
    // The read is waiting by the time that this runs.
    await reactor.run {}
    let count = observer.all.count
    connection.abort()
    listener.close()
    _ = await reading.result
    // Any late event from the kernel arrives in these turns.
    for _ in 0..<5 { try await reactor.sleep(for: .milliseconds(1)) }
    let later = observer.all.dropFirst(count)
    #expect(!later.contains { if case .ready = $0 { true } else { false } })
  }

  @Test("an observer is asked once for the events it wants")
  func askedOnce() async throws {
    let asked = Counter()
    struct Curious: ReactorObserver {
      let asked: Counter
      var events: ReactorEvents {
        asked.add()
        return .all
      }
    }
    let reactor = try Reactor(observer: ReactorObservers([Curious(asked: asked)]))
    try await withServer(on: reactor, echo) { listener in
      let client = try await Connection.connect(to: listener.localAddress, on: reactor)
      try await client.write("x")
      #expect(try await client.read(exactly: 1) == Array("x".utf8))
    }
    #expect(asked.value == 1)
  }

  @Test("an observer is notified how many bytes wait for a slow peer, until they are sent", arguments: usableBackends)
  func queueDepth(backend: Poller.Backend) async throws {
    let observer = RecordingObserver()
    let size = 1_000_000
    let peer = try await slowPeer(sent: size, on: try Reactor(backend: backend, observer: observer))
    let taken = observer.sent.reduce(0, +)
    #expect(taken > 0 && taken < size)
    #expect(observer.queued == [size - taken])
    #expect(try await peer.take(size) == numbered(size))
    #expect(await becomesTrue { observer.queued.last == 0 })
    #expect(observer.sent.reduce(0, +) == size)
    #expect(observer.queued == observer.queued.sorted(by: >))
  }

  @Test("an observer is notified of received bytes, however they are read", arguments: usableBackends)
  func received(backend: Poller.Backend) async throws {
    let observer = RecordingObserver()
    let peer = try await RawPeer(on: try Reactor(backend: backend, observer: observer))
    try peer.socket.sendAll(Array("line\nrest".utf8))
    #expect(try await peer.connection.readLine() == Array("line\n".utf8))
    // Bytes that were put back aren't received again.
    #expect(try await peer.connection.read()?.array == Array("rest".utf8))
    #expect(observer.received.reduce(0, +) == 9)
  }

  @Test("an observer is notified why a connection was closed", arguments: usableBackends)
  func closeReasons(backend: Poller.Backend) async throws {
    let observer = RecordingObserver(.connections)
    let reactor = try Reactor(backend: backend, observer: observer)

    func reason(_ number: Int) async throws -> String {
      #expect(await becomesTrue { observer.closed.count > number })
      return try #require(observer.closed.last).reason.description
    }
    do {
      let peer = try await RawPeer(on: reactor)
      await peer.connection.close()
      #expect(try await reason(0) == "finished")
    }
    do {
      let peer = try await RawPeer(on: reactor)
      peer.connection.abort()
      #expect(try await reason(1) == "aborted by this side")
    }
    _ = try await RawPeer(on: reactor)
    #expect(try await reason(2) == "no longer referenced")

    let peer = try await RawPeer(on: reactor)
    try peer.reset()
    await #expect(throws: ConnectionError.self) { while try await peer.connection.read() != nil {} }
    await peer.connection.close()
    #expect(try await reason(3) == "the connection was reset by the peer")
    #expect(observer.opened.map(\.origin) == Array(repeating: .adopted, count: 4))
  }

  @Test("an observer is notified of the error a handler has thrown, and of a shutdown", arguments: usableBackends)
  func serverReasons(backend: Poller.Backend) async throws {
    struct OutOfTea: Error, CustomStringConvertible { let description = "no tea" }
    let observer = RecordingObserver(.connections)
    let reactor = try Reactor(backend: backend, observer: observer)
    try await withServer(on: reactor) { connection in
      guard try await connection.read(exactly: 1) != [0] else { throw OutOfTea() }
      try await echo(connection)
    } while: { listener in
      let client = try Socket.connected(to: listener.localAddress)
      try client.sendAll([0])
      #expect(await becomesTrue { observer.closed.map(\.reason.description) == ["no tea"] })
      let idler = try Socket.connected(to: listener.localAddress)
      #expect(await becomesTrue { observer.opened.count == 2 })
      await listener.shutDown(within: .zero)
      #expect(observer.closed.last?.reason.description == "the server is shutting down")
      idler.close()
    }
  }

  @Test(
    "an observer is told of the shutdown where a server is cancelled while the last bytes are sent",
    arguments: usableBackends)
  func cancelledFlush(backend: Poller.Backend) async throws {
    let bytes = [UInt8](repeating: 7, count: 16_000_000)
    let modes: [@Sendable (Listener) async -> Void] = [
      { listener in
        await listener.serve { connection in
          connection.setWatermarks(Watermarks(low: 0, high: bytes.count))
          try await connection.write(bytes)
        }
      },
      { listener in
        await listener.serveChunks { _ in
          ChunkHandler { _, replies in
            replies.write(bytes)
            replies.end()
          }
        }
      },
    ]
    for serve in modes {
      let observer = RecordingObserver()
      let listener = try await Listener.bind(to: "127.0.0.1:0", on: try Reactor(backend: backend, observer: observer))
      let serving = Task { await serve(listener) }
      let client = try Socket.connected(to: listener.localAddress)
      try client.sendAll([1])
      #expect(await becomesTrue { !observer.queued.isEmpty })
      serving.cancel()
      await serving.value
      #expect(await becomesTrue { observer.closed.map(\.reason.description) == ["the server is shutting down"] })
      client.close()
      listener.close()
    }
  }

  #if MULTIPLEX_FAULTS
    /// A ring accepts without a system call that could be made to fail.
    @Test(
      "an observer is notified of each failure to accept", arguments: usableBackends.filter { $0 != .ioUring })
    func acceptFailures(backend: Poller.Backend) async throws {
      let observer = RecordingObserver()
      let reactor = try Reactor(backend: backend, observer: observer)
      let plan = FaultPlan(seed: 1, oneIn: 1, faults: [.accept4: [.tooManyOpenFiles]])
      try await FaultPlan.$current.withValue(plan) {
        try await withServer(on: reactor, echo) { listener in
          let client = try Socket.connecting(to: listener.localAddress)
          #expect(await becomesTrue { observer.acceptFailures.count >= 2 })
          #expect(observer.acceptFailures.allSatisfy { $0.reason == .openFileLimit })
          client.close()
        }
      }
    }

    /// A ring takes all of the bytes itself, and sends them later.
    @Test(
      "an observer is notified of what was sent before a send failed",
      arguments: usableBackends.filter { $0 != .ioUring }, 1...20 as ClosedRange<UInt64>)
    func sentBeforeFailure(backend: Poller.Backend, seed: UInt64) async throws {
      let observer = RecordingObserver(.transfers)
      let peer = try await RawPeer(on: try Reactor(backend: backend, observer: observer))
      let connection = peer.connection
      // One call sends some of these pieces.
      let pieces = [[UInt8]](repeating: [UInt8](repeating: 1, count: 100), count: 300)
      let plan = FaultPlan(seed: seed, oneIn: 3, faults: [.sendmsg: [.brokenPipe]])
      let writing = Task(executorPreference: connection.reactor) {
        try await FaultPlan.$current.withValue(plan) { try await connection.write(vectored: pieces) }
        try await connection.flush()
      }
      _ = await writing.result
      let sent = observer.sent.reduce(0, +)
      #expect(try await peer.take(sent).count == sent)
      #expect(try peer.socket.receive(upTo: 1) == nil)
    }

    /// The task waits in place, so that the plan applies to the waits of its reactor.
    @Test("an observer is notified of each wait that fails, and the reactor goes on", arguments: usableBackends)
    func waitFailures(backend: Poller.Backend) async throws {
      let observer = RecordingObserver(.failures)
      let peer = try await RawPeer(on: try Reactor(backend: backend, observer: observer))
      let connection = peer.connection
      let waits: [SystemCall] = [.pselect, .ppoll, .epoll_wait, .epoll_pwait2, .io_uring_enter]
      let plan = FaultPlan(
        seed: 1, oneIn: 2, faults: Dictionary(uniqueKeysWithValues: waits.map { ($0, [.noMemory]) }))
      let echoing = Task(executorPreference: connection.reactor) {
        try await FaultPlan.$current.withValue(plan) { try await echo(connection) }
      }
      for number in 0..<50 as Range<UInt8> {
        try peer.socket.sendAll([number])
        #expect(try await peer.take(1) == [number])
      }
      try peer.socket.shutdown(.writing)
      try await echoing.value
      #expect(!observer.waitFailures.isEmpty)
      #expect(observer.waitFailures.allSatisfy { $0.errno == .noMemory })
    }
  #endif

  @Test(
    "an observer is notified how many bytes were lost with a connection", arguments: usableBackends,
    [100_000, 1_000_000])
  func unsent(backend: Poller.Backend, size: Int) async throws {
    let observer = RecordingObserver()
    let peer = try await slowPeer(sent: size, on: try Reactor(backend: backend, observer: observer))
    peer.connection.abort()
    let taken = try await peer.takeAll().count
    #expect(taken < size)
    #expect(await becomesTrue { observer.closed.map(\.unsent) == [size - taken] })
  }

  @Test(
    "an observer is notified once of a close, if the peer resets as the time for a shutdown is up",
    arguments: usableBackends)
  func closedOnce(backend: Poller.Backend) async throws {
    let observer = RecordingObserver([.turns, .connections, .transfers])
    let reactor = try Reactor(backend: backend, observer: observer)
    let listener = try await Listener.bind(to: "127.0.0.1:0", on: reactor)
    async let serving: Void = listener.serveChunks { _ in
      ChunkHandler { _, replies in
        replies.write([UInt8](repeating: 0, count: 8_000_000))
        replies.end()
      }
    }
    let peer = try Socket.connected(to: listener.localAddress)
    try peer.sendAll([1])
    // The handler has ended, and the connection waits until everything is sent.
    #expect(await becomesTrue { !observer.queued.isEmpty })
    let limit = Duration.milliseconds(200)
    async let unfinished = listener.shutDown(within: limit)
    #expect(await becomesTrue { listener.isClosed })
    try await Task(executorPreference: reactor) {
      // The time is up before the next wait, so the timer fires after this job, and before the reset is noticed.
      let end = ContinuousClock.now + limit
      while ContinuousClock.now < end {}
      let turns = observer.turnCount
      while observer.turnCount == turns { await Task.yield() }
      try peer.fileDescriptor.resetOnClose()
      peer.close()
    }.value
    _ = await unfinished
    await serving
    #expect(observer.closed.count == 1)
  }

  @Test("an observer can distinguish outgoing from accepted connections", arguments: usableBackends)
  func origins(backend: Poller.Backend) async throws {
    let observer = RecordingObserver(.connections)
    let reactor = try Reactor(backend: backend, observer: observer)
    try await withServer(on: reactor, echo) { listener in
      let address = listener.localAddress
      let client = try await Connection.connect(to: address, on: reactor)
      #expect(await becomesTrue { observer.opened.count == 2 })
      #expect(Set(observer.opened.map(\.origin)) == [.connected, .accepted(at: address)])
      #expect(observer.opened.first { $0.origin == .connected }?.peer == address)
      await client.close()
    }
  }

  @Test("an observer is notified of connections that can't be established", arguments: usableBackends)
  func connectFailures(backend: Poller.Backend) async throws {
    let observer = RecordingObserver(.connections)
    let reactor = try Reactor(backend: backend, observer: observer)
    let unused = try UnusedAddress()
    await #expect(throws: ConnectionError.self) { try await Connection.connect(to: unused.address, on: reactor) }
    #expect(await becomesTrue { observer.all.count == 1 })
    #expect(observer.connectFailures.map(\.address) == [unused.address])
    #expect(observer.connectFailures.map(\.error.reason) == [.refused])
    withExtendedLifetime(unused) {}
  }

  @Test(
    "an observer isn't notified of events it doesn't ask for",
    arguments: [ReactorEvents.turns, .listeners, .connections, .transfers, []])
  func events(events: ReactorEvents) async throws {
    let observer = RecordingObserver(events)
    let reactor = try Reactor(observer: observer)
    try await withServer(on: reactor, echo) { listener in
      let client = try await Connection.connect(to: listener.localAddress, on: reactor)
      try await client.write("x")
      #expect(try await client.read(exactly: 1) == Array("x".utf8))
      await client.close()
    }
    #expect(observer.all.isEmpty == events.isEmpty)
    for happening in observer.all {
      let kind: ReactorEvents =
        switch happening {
        case .ready, .turnEnded: .turns
        case .listening, .acceptFailed, .stoppedListening: .listeners
        case .connectFailed, .opened, .closed: .connections
        case .received, .receivedEnd, .sent, .queued: .transfers
        case .waitFailed: .failures
        }
      #expect(kind == events)
    }
  }

  @Test("several observers of one reactor each get the events they ask for")
  func several() async throws {
    let (some, all) = (RecordingObserver(.listeners), RecordingObserver())
    let reactor = try Reactor(observer: ReactorObservers([some, all]))
    try await withServer(on: reactor, echo) { listener in
      let client = try await Connection.connect(to: listener.localAddress, on: reactor)
      try await client.write("x")
      #expect(try await client.read(exactly: 1) == Array("x".utf8))
      await client.close()
    }
    #expect(some.all.count == 2)
    #expect(some.listeners == all.listeners)
    #expect(some.stoppedListeners == all.stoppedListeners)
    #expect(all.opened.count == 2)
    #expect(all.sent == [1, 1])
    #expect(all.received == [1, 1])
  }

  @Test("each of several observers is notified of every kind of event")
  func everything() {
    let alone = RecordingObserver()
    let several = [RecordingObserver(), RecordingObserver()]
    for observer in [alone, ReactorObservers(several)] as [any ReactorObserver] {
      let listener = ObservedListener(descriptor: .standardInput, localAddress: .ipv4(.loopback, port: 1))
      let connection = ObservedConnection(id: 1, descriptor: .standardOutput, peer: nil, origin: .connected)
      observer.listening(listener)
      observer.acceptFailed(listener, because: MultiplexError(call: "accept4", errno: .tooManyOpenFiles))
      observer.stoppedListening(listener)
      observer.connectFailed(
        to: .ipv4(.loopback, port: 2), because: ConnectionError(.refused, during: .connect, peer: nil))
      observer.opened(connection)
      observer.received(2, on: connection)
      observer.receivedEnd(on: connection)
      observer.queued(3, on: connection)
      observer.sent(4, on: connection)
      observer.closed(connection, because: .finished, unsent: 5)
      observer.ready(.standardInput, for: .readable)
      observer.turnEnded(readyCount: 6)
      observer.waitFailed(because: MultiplexError(call: "ppoll", errno: .noMemory))
    }
    #expect(alone.all.count == 13)
    for observer in several { #expect("\(observer.all)" == "\(alone.all)") }
  }

  @Test("each reactor of a group has its own observer, and connection numbers are unique in the group")
  func group() async throws {
    let observers = [RecordingObserver(), RecordingObserver()]
    let group = try ReactorGroup(count: 2) { observers[$0] }
    let connections = try await (0..<4).asyncMap { _ in try await RawPeer(on: group.next()) }
    #expect(observers.map(\.opened.count) == [2, 2])
    #expect(Set(observers.flatMap(\.opened).map(\.id)).count == 4)
    for (observer, reactor) in zip(observers, group.reactors) {
      #expect(await observer.threads == [reactor.run { ListedThread.current }])
    }
    for peer in connections { peer.connection.abort() }

    let shared = RecordingObserver(.connections)
    let other = try ReactorGroup(count: 2, observer: shared)
    for _ in 0..<2 { try await RawPeer(on: other.next()).connection.close() }
    #expect(shared.opened.count == 2)
  }
}

extension Sequence {
  fileprivate func asyncMap<Value>(_ transform: (Element) async throws -> Value) async rethrows -> [Value] {
    var values: [Value] = []
    for element in self { values.append(try await transform(element)) }
    return values
  }
}
