import Multiplex
import MultiplexAsync
import TestSupport
import Testing

@Suite("Connections used from elsewhere than their reactor", .timeLimit(.minutes(2)))
struct OtherExecutorsTests {
  @MainActor
  @Test("the main actor", arguments: usableBackends)
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

  @Test("an actor, on the default executor and on the reactor", arguments: usableBackends)
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

  @Test("another reactor, with chunks that go from one to the other", arguments: usableBackends)
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
    let descriptor = source.socket.fileDescriptor
    let sender = SecondParty {
      let socket = Socket(adopting: try OwnedDescriptor(duplicating: descriptor))
      try socket.sendAll(bytes, timeout: .seconds(30))
      try socket.shutdown(.writing)
    }
    #expect(try await sink.takeAll() == bytes)
    try sender.join()
    try await relaying.value
  }

  @Test("a reader here, a writer there", arguments: usableBackends)
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
