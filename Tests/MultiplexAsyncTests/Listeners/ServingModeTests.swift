import Multiplex
import MultiplexAsync
import TestSupport
import Testing

/// What is the same whether a listener serves connections in tasks or with chunk handlers.
@Suite("Serving connections in either mode", .timeLimit(.minutes(3)))
struct ServingModeTests {
  enum Mode: CaseIterable {
    case tasks, chunks
  }

  private struct Failure: Error {}

  @Test("many connections are served at once", arguments: usableBackends, Mode.allCases)
  func many(backend: Poller.Backend, mode: Mode) async throws {
    let reactor = try Reactor(backend: backend)
    try await withServer(on: reactor, mode) { listener in
      try await withThrowingTaskGroup { group in
        for number in 0..<100 {
          group.addTask(executorPreference: reactor) {
            let connection = try await Connection.connect(to: listener.localAddress, on: reactor)
            let message = [UInt8](repeating: UInt8(number), count: 100 + number)
            for _ in 0..<5 {
              try await connection.write(message)
              #expect(try await connection.read(exactly: message.count) == message)
            }
            try await connection.closeWrite()
            #expect(try await connection.read()?.count == nil)
            await connection.close()
          }
        }
        try await group.waitForAll()
      }
    }
  }

  @Test(
    "no more connections than the maximum are served at a time, and all in the end", arguments: usableBackends,
    Mode.allCases)
  func maximum(backend: Poller.Backend, mode: Mode) async throws {
    let reactor = try Reactor(backend: backend)
    let served = Counter()
    try await withServer(on: reactor, mode, maximumConnections: 3, connected: { served.add() }) { listener in
      var clients = try await connect(3, to: listener, on: reactor)
      for client in clients { try await checkEcho(client) }
      // These wait in the kernel.
      let waiting = try await connect(7, to: listener, on: reactor)
      for client in waiting { try await client.write("x") }
      for client in clients { try await checkEcho(client) }
      #expect(served.value == 3)
      for (index, next) in waiting.enumerated() {
        await clients.removeFirst().close()
        #expect(try await next.read(exactly: 1) == Array("x".utf8))
        #expect(served.value == 4 + index)
        clients.append(next)
      }
    }
  }

  @Test("a handler that throws ends only its own connection", arguments: usableBackends, Mode.allCases)
  func throwing(backend: Poller.Backend, mode: Mode) async throws {
    let observer = RecordingObserver(.connections)
    let reactor = try Reactor(backend: backend, observer: observer)
    let check: @Sendable ([UInt8]) throws -> Void = { if $0 == [0] { throw Failure() } }
    try await withServer(on: reactor, mode, received: check) { listener in
      let good = try await Connection.connect(to: listener.localAddress, on: reactor)
      for count in 1...5 {
        let bad = try await Connection.connect(to: listener.localAddress, on: reactor)
        try await bad.write([0])
        #expect(try await bad.read()?.count == nil)
        #expect(
          await becomesTrue {
            observer.closed.count { if case .failed(let error) = $0.reason { error is Failure } else { false } }
              == count
          })
        try await checkEcho(good)
      }
    }
  }

  @Test(
    "what a handler has written before it throws arrives, followed by the end of input", arguments: usableBackends,
    Mode.allCases)
  func thrownAfterWriting(backend: Poller.Backend, mode: Mode) async throws {
    let reactor = try Reactor(backend: backend)
    try await withServer(on: reactor, mode, replied: { _ in throw Failure() }) { listener in
      let client = try await Connection.connect(to: listener.localAddress, on: reactor)
      try await client.write("ERR")
      #expect(try await client.read(exactly: 3) == Array("ERR".utf8))
      #expect(try await client.read()?.count == nil)
    }
  }

  @Test(
    "shutting down closes the connections that remain at the deadline, and counts them", arguments: usableBackends,
    Mode.allCases)
  func shutDown(backend: Poller.Backend, mode: Mode) async throws {
    let reactor = try Reactor(backend: backend)
    try await withServer(on: reactor, mode) { listener in
      let clients = try await connect(3, to: listener, on: reactor)
      for client in clients { try await checkEcho(client) }
      #expect(await listener.shutDown(within: .milliseconds(20)) == 3)
      for client in clients { #expect(try await client.read()?.count == nil) }
      #expect(try await becomesTrue { try heldSockets(at: listener.localAddress) == 0 })
    }
  }

  /// Echoes on loopback while the body runs, then shuts the server down.
  ///
  /// - Parameters:
  ///   - connected: Called for each connection.
  ///   - received: Called with the bytes that are received, before they are sent back.
  ///   - replied: Called with the bytes that were sent back.
  private func withServer(
    on reactor: Reactor, _ mode: Mode, maximumConnections: Int = .max,
    connected: @escaping @Sendable () -> Void = {},
    received: @escaping @Sendable ([UInt8]) throws -> Void = { _ in },
    replied: @escaping @Sendable ([UInt8]) throws -> Void = { _ in },
    while body: (Listener) async throws -> Void
  ) async throws {
    let serve: @Sendable (Listener) async -> Void = { listener in
      switch mode {
      case .tasks:
        await listener.serve(maximumConnections: maximumConnections) { connection in
          connected()
          while let bytes = try await connection.read()?.array {
            try received(bytes)
            try await connection.write(bytes)
            try replied(bytes)
          }
        }
      case .chunks:
        await listener.serveChunks(maximumConnections: maximumConnections) { _ in
          connected()
          return ChunkHandler { chunk, replies in
            let bytes = chunk.array
            try received(bytes)
            replies.write(bytes)
            try replied(bytes)
          }
        }
      }
    }
    try await withListener(on: reactor, served: serve, while: body)
  }
}
