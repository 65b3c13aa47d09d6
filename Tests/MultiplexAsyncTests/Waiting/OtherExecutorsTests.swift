import Multiplex
import MultiplexAsync
import SystemPackage
import TestSupport
import Testing

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

@Suite("Connections used outside their reactor", .timeLimit(.minutes(2)))
struct OtherExecutorsTests {
  @MainActor
  @Test("the main actor can use a connection", arguments: usableBackends)
  func mainActor(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    let listener = try await Listener.bind(to: "127.0.0.1:0", on: reactor)
    let serving = Task { await listener.serve(echo) }
    let connection = try await Connection.connect(to: listener.localAddress, on: reactor)
    for round in 0..<20 {
      MainActor.assertIsolated()
      try await connection.write(numbered(1000 + round))
      #expect(try await connection.read(exactly: 1000 + round) == numbered(1000 + round))
      try await connection.write("line\n")
      #expect(try await connection.readLine() == Array("line\n".utf8))
      try await connection.flush()
      try await reactor.sleep(for: .zero)
    }
    try await connection.closeWrite()
    #expect(try await connection.read()?.count == nil)
    await connection.close()
    await listener.shutDown(within: .seconds(10))
    await serving.value
  }

  @Test("an actor can use a connection, from the default executor and from the reactor", arguments: usableBackends)
  func actors(backend: Poller.Backend) async throws {
    actor Client {
      private let connection: Connection
      private(set) var rounds = 0

      init(_ connection: Connection) {
        self.connection = connection
      }

      func round(_ bytes: [UInt8]) async throws {
        try await connection.write(bytes)
        #expect(try await connection.read(exactly: bytes.count) == bytes)
        rounds += 1
      }
    }
    let reactor = try Reactor(backend: backend)
    try await withServer(on: reactor, echo) { listener in
      let client = Client(try await Connection.connect(to: listener.localAddress, on: reactor))
      for round in 0..<20 {
        try await client.round(numbered(2000 + round))
        try await reactor.run { try await client.round(numbered(2000 + round)) }
      }
      #expect(await client.rounds == 40)
    }
  }

  /// An actor runs its tasks' jobs one after another on the thread that holds it, whatever executor they prefer.
  @Test("a read by an actor that another thread holds receives on the reactor's thread", arguments: usableBackends)
  func heldActor(backend: Poller.Backend) async throws {
    actor Client {
      private let connection: Connection

      init(_ connection: Connection) {
        self.connection = connection
      }

      func read(_ count: Int) async throws -> [UInt8] { try await connection.read(exactly: count) }

      /// Holds the actor and its thread.
      func hold(_ body: @Sendable () throws -> Bool) rethrows -> Bool { try body() }
    }
    let threads = Recorder<String>()
    let reactor = try Reactor(backend: backend, observer: ThreadRecorder(threads: threads))
    let own = await reactor.run { ThreadRecorder.currentThread }
    let peer = try await RawPeer(on: reactor)
    let far = peer.socket.fileDescriptor
    let client = Client(peer.connection)
    for round in 0..<10 {
      let reading = Task(executorPreference: reactor) { try await client.read(2) }
      await reactor.run { await Task.yield() }
      let hasPassed = Counter()
      let isHeld = try await client.hold {
        try far.writeAll([1])
        Task(executorPreference: reactor) {
          // The input has been handled by then. If not, the round is wasted.
          try await reactor.sleep(for: .milliseconds(5))
          hasPassed.add()
        }
        return eventually { hasPassed.value == 1 }
      }
      #expect(isHeld)
      try far.writeAll([2])
      #expect(try await reading.value == [1, 2], "round \(round)")
    }
    #expect(!threads.elements.isEmpty)
    #expect(threads.elements.allSatisfy { $0 == own })
    withExtendedLifetime(peer) {}
  }

  @Test(
    "a task of another reactor can use a connection, and pass chunks from one to the other", arguments: usableBackends)
  func anotherReactor(backend: Poller.Backend) async throws {
    let one = try Reactor(backend: backend)
    let other = try Reactor(backend: backend)
    let source = try await RawPeer(on: one)
    let sink = try await RawPeer(on: other)
    let (input, output) = (source.connection, sink.connection)
    let bytes = numbered(500_000)
    let relaying = Task(executorPreference: one) {
      while let chunk = try await input.read() { try await output.write(chunk) }
      try await output.closeWrite()
    }
    let sender = try source.startOtherSide { try $0.sendAll(bytes, timeout: .seconds(100)) }
    #expect(try await sink.takeAll() == bytes)
    try sender.join()
    try await relaying.value
  }

  @Test("a reader and a writer on two executors can use a connection", arguments: usableBackends)
  func readerAndWriter(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    try await withServer(on: reactor, echo) { listener in
      let connection = try await Connection.connect(to: listener.localAddress, on: reactor)
      let bytes = numbered(1_000_000)
      let writing = Task(executorPreference: reactor) {
        try await connection.write(bytes)
        try await connection.closeWrite()
      }
      var received: [UInt8] = []
      while let chunk = try await connection.read() { received += chunk.array }
      #expect(received == bytes)
      try await writing.value
    }
  }
}

/// Records on which thread bytes are received.
private struct ThreadRecorder: ReactorObserver {
  let events: ReactorEvents = .transfers
  let threads: Recorder<String>

  static var currentThread: String { "\(pthread_self())" }

  func received(_ count: Int, on connection: ObservedConnection) { threads.add(Self.currentThread) }
}
