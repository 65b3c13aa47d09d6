import Multiplex
import MultiplexAsync
import Synchronization
import TestSupport
import Testing

@Suite("An actor on a reactor", .timeLimit(.minutes(2)))
struct ReactorExecutorTests {
  /// Counts without a lock, and records where it runs.
  private actor Tally {
    nonisolated let executor: ReactorExecutor
    private(set) var count = 0
    private(set) var threads: Set<ListedThread?> = []

    init(on reactor: Reactor) {
      executor = ReactorExecutor(reactor)
    }

    nonisolated var unownedExecutor: UnownedSerialExecutor { unsafe executor.asUnownedSerialExecutor() }

    func add() {
      count += 1
      threads.insert(.current)
    }

    /// Adds immediately, as only code on the actor's thread may.
    nonisolated func addHere() {
      assumeIsolated { $0.add() }
    }

    /// Adds before and after something that may continue elsewhere.
    func add(around body: @Sendable () async throws -> Void) async rethrows {
      add()
      try await body()
      add()
    }

    /// Adds to another one between two additions of its own.
    func add(with other: Tally) async {
      add()
      await other.add()
      add()
    }

    /// Echoes what the peer of a connection sends, a byte at a time, to the end.
    func echo(_ connection: Connection) async throws {
      while let chunk = try await connection.read() {
        add()
        try await connection.write(chunk)
        add()
        await connection.reactor.nothing()
        add()
      }
    }
  }

  @Test("an actor runs on its reactor's thread, wherever it is called from", arguments: usableBackends)
  func thread(backend: Poller.Backend) async throws {
    let (reactor, other) = (try Reactor(backend: backend), try Reactor(backend: backend))
    let own = await reactor.run { ListedThread.current }
    let tally = Tally(on: reactor)
    await withTaskGroup { group in
      for executor in [reactor, other, nil] {
        for _ in 0..<20 {
          group.addTask(executorPreference: executor) {
            for _ in 0..<50 { await tally.add() }
            await tally.add { await Task.yield() }
            await Tally(on: reactor).add(with: tally)
            await Tally(on: other).add(with: tally)
          }
        }
      }
    }
    #expect(await tally.count == 60 * 54)
    #expect(await tally.threads == [own])
  }

  @Test("an actor can use the connections of its reactor, and stays on its thread", arguments: usableBackends)
  func connection(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    let own = await reactor.run { ListedThread.current }
    let tally = Tally(on: reactor)
    let peer = try await RawPeer(on: reactor)
    let connection = peer.connection
    async let echoing: Void = tally.echo(connection)
    for number in 0..<50 as Range<UInt8> {
      try peer.socket.sendAll([number])
      #expect(try await peer.take(1) == [number])
    }
    try peer.socket.shutdown(.writing)
    try await echoing
    #expect(await tally.count == 150)
    #expect(await tally.threads == [own])
  }

  @Test("a handler that the loop calls can use an actor of its reactor without waiting", arguments: usableBackends)
  func handler(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    let tally = Tally(on: reactor)
    let listener = try await Listener.bind(to: "127.0.0.1:0", on: reactor)
    async let serving: Void = listener.serveChunks { _ in
      ChunkHandler { chunk, replies in
        tally.addHere()
        replies.write(chunk)
      }
    }
    let client = try Socket.connected(to: listener.localAddress)
    for number in 0..<20 as Range<UInt8> {
      try client.sendAll([number])
      #expect(try await becomesTrue { try client.receive(upTo: 1) == [number] })
    }
    #expect(await tally.count == 20)
    client.close()
    await listener.shutDown(within: .seconds(10))
    await serving
  }

  @Test("code on another thread may not assume that it runs in the actor")
  func foreignThread() async {
    await #expect(processExitsWith: .failure) {
      let tally = Tally(on: try Reactor())
      await tally.add()
      try await Reactor().run { tally.addHere() }
    }
  }

  @Test("an actor keeps its reactor running, and its thread ends after the actor", arguments: usableBackends)
  func lifetime(backend: Poller.Backend) async throws {
    let thread = try await { () async throws -> ListedThread? in
      let tally = Tally(on: try Reactor(backend: backend))
      for _ in 0..<10 { await tally.add() }
      return await tally.threads.first ?? nil
    }()
    let ended = try #require(thread)
    #expect(await becomesTrue { !ended.isAlive })
  }
}

extension Reactor {
  /// Does nothing, and comes back.
  fileprivate func nothing() async {
    await run {}
  }
}
