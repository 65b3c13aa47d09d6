import Multiplex
import MultiplexAsync
import SystemPackage
import TestSupport
import Testing

/// The kernel reports a reset once, to whichever call comes first: a send, a receive, a splice or a poll. A reader must not
/// mistake what follows for the end of input.
@Suite("Resets by the peer at any moment", .timeLimit(.minutes(3)))
struct ConnectionResetTests {
  private static let rounds = 100

  @Test("forwarding from a connection that is reset throws instead of ending", arguments: usableBackends, 1...2)
  func source(backend: Poller.Backend, seed: UInt64) async throws {
    var random = SeededGenerator(seed: seed)
    let reactor = try Reactor(backend: backend)
    let sink = try await RawPeer(on: reactor)
    let drainer = try sink.startOtherSide { socket in try drain(socket, limit: .max) }
    for _ in 0..<Self.rounds {
      let source = try await RawPeer(on: reactor)
      let pauses = (0..<Int.random(in: 1...4, using: &random)).map { _ in Int.random(in: 0...12, using: &random) }
      let sender = try source.handOver { socket in
        try socket.sendAll([UInt8](repeating: 7, count: 150_000), timeout: .seconds(100))
        for pause in pauses {
          try socket.sendAll([1], timeout: .seconds(100))
          spin(for: .microseconds(pause))
        }
        try socket.fileDescriptor.resetOnClose()
      }
      #expect(await reason { try await source.connection.forward(to: sink.connection) } == .reset)
      try sender.join()
    }
    sink.connection.abort()
    _ = try? drainer.join()
  }

  @Test("a read throws after a write that ran into the reset", arguments: usableBackends, 1...2)
  func writing(backend: Poller.Backend, seed: UInt64) async throws {
    var random = SeededGenerator(seed: seed)
    let reactor = try Reactor(backend: backend)
    let bytes = numbered(200_000)
    for _ in 0..<Self.rounds {
      let peer = try await RawPeer(on: reactor)
      let connection = peer.connection
      let limit = Int.random(in: 200_000...2_000_000, using: &random)
      let receiver = try peer.handOver { socket in
        try drain(socket, limit: limit)
        try socket.fileDescriptor.resetOnClose()
      }
      let result = await reason {
        try await reactor.run {
          while true { try await connection.write(bytes) }
        }
      }
      #expect(result == .reset)
      #expect(await reason { _ = try await connection.read() } == .reset)
      try receiver.join()
    }
  }

  @Test("a read throws after a splice that ran into the reset", arguments: usableBackends)
  func splicing(backend: Poller.Backend) async throws {
    var random = SeededGenerator(seed: 1)
    let reactor = try Reactor(backend: backend)
    let bytes = numbered(8 << 20)
    for _ in 0..<Self.rounds / 4 {
      let (source, sink) = (try await RawPeer(on: reactor), try await RawPeer(on: reactor))
      let limit = Int.random(in: 200_000...4_000_000, using: &random)
      let sender = try source.handOver { socket in try socket.sendAll(bytes, timeout: .seconds(100)) }
      let receiver = try sink.handOver { socket in
        try drain(socket, limit: limit)
        try socket.fileDescriptor.resetOnClose()
      }
      // The kernel may have accepted the last bytes before.
      _ = try? await source.connection.forward(to: sink.connection)
      #expect(await reason { _ = try await sink.connection.read() } == .reset)
      source.connection.abort()
      _ = try? sender.join()
      try receiver.join()
    }
  }
}

/// Receives up to the end of input, or at least `limit` bytes.
private func drain(_ socket: Socket, limit: Int) throws {
  var count = 0
  while count < limit {
    _ = try select(reading: [socket], timeout: .seconds(100))
    guard let bytes = try socket.receive(upTo: 65_536) else { continue }
    if bytes.isEmpty { return }
    count += bytes.count
  }
}

/// Waits for a time that is too short for a sleep.
private func spin(for duration: Duration) {
  let end = ContinuousClock.now + duration
  while .now < end {}
}

extension RawPeer {
  /// Hands the plain socket over to a thread, which closes it without shutting it down first.
  fileprivate func handOver<Outcome>(
    _ body: @escaping @Sendable (Socket) throws -> Outcome
  ) throws -> SecondParty<Outcome> {
    let descriptor = try socket.take().release()
    return SecondParty {
      let socket = Socket(adopting: OwnedDescriptor(adopting: descriptor))
      defer { socket.close() }
      return try body(socket)
    }
  }
}
