import Multiplex
import MultiplexAsync
import TestSupport
import Testing

@Suite("Operations of a cancelled task", .timeLimit(.minutes(2)))
struct CancelledTaskTests {
  /// The ways to read.
  enum Reading: CaseIterable {
    case chunk, memory, exactly, line, lines, frame

    /// Reads once.
    func callAsFunction(_ connection: Connection) async throws {
      switch self {
      case .chunk: _ = try await connection.read()
      case .memory: _ = try await connection.readArray(5)
      case .exactly: _ = try await connection.read(exactly: 5)
      case .line: _ = try await connection.readLine()
      case .lines: for try await _ in connection.lines() { return }
      case .frame: _ = try await connection.readFrame()
      }
    }
  }

  /// A line, and a length-prefixed frame.
  private static let bytes: [UInt8] = [0, 0, 0, 1, UInt8(ascii: "\n")]

  @Test(
    "a read by a cancelled task throws, and leaves available bytes to the next read", arguments: usableBackends,
    Reading.allCases)
  func read(backend: Poller.Backend, reading: Reading) async throws {
    let reactor = try Reactor(backend: backend)
    for preference in [reactor, nil] {
      let peer = try await RawPeer(on: reactor)
      let connection = peer.connection
      try peer.socket.sendAll(Self.bytes)
      let cancelled = Task(executorPreference: preference) {
        cancelThisTask()
        try await reading(connection)
      }
      #expect(await reason { try await cancelled.value } == .cancelled)
      #expect(try await connection.read(exactly: 5) == Self.bytes)
    }
  }

  @Test("cancelling ends a loop of reads that never wait", arguments: usableBackends, Reading.allCases)
  func readLoop(backend: Poller.Backend, reading: Reading) async throws {
    let peer = try await RawPeer(on: try Reactor(backend: backend))
    let connection = peer.connection
    let repeated = [[UInt8]](repeating: Self.bytes, count: 1000).flatMap(\.self)
    // Until the other side is gone.
    let sender = try peer.startOtherSide { socket in
      while true { do { try socket.sendAll(repeated, timeout: .seconds(100)) } catch { return } }
    }
    await expectEnd(ofRepeating: { try await reading(connection) }, on: connection)
    try sender.join()
  }

  @Test("cancelling ends a loop of writes that never wait", arguments: usableBackends)
  func writeLoop(backend: Poller.Backend) async throws {
    let peer = try await RawPeer(on: try Reactor(backend: backend))
    let connection = peer.connection
    let receiver = try peer.startOtherSide { socket in
      while true {
        _ = try select(reading: [socket], timeout: .seconds(100))
        guard let bytes = try? socket.receive(upTo: 65_536), !bytes.isEmpty else { return }
      }
    }
    await expectEnd(ofRepeating: { try await connection.write("x") }, on: connection)
    try receiver.join()
  }

  /// Repeats a call until its task is cancelled, and expects that this ends it. Then the connection is aborted.
  private func expectEnd(
    ofRepeating call: @escaping @Sendable () async throws -> Void, on connection: Connection
  ) async {
    let count = Counter()
    let loop = Task(executorPreference: connection.reactor) {
      while true {
        try await call()
        count.add()
      }
    }
    #expect(await becomesTrue { count.value > 100 })
    loop.cancel()
    #expect(await reason { try await loop.value } == .cancelled)
    connection.abort()
  }

  @Test("a cancelled task neither receives nor sends a datagram", arguments: usableBackends)
  func datagrams(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    let socket = try await DatagramSocket.bind(to: "127.0.0.1:0", on: reactor)
    try await socket.send([1], to: socket.localAddress)
    let cancelled = Task(executorPreference: reactor) {
      cancelThisTask()
      #expect(await reason { try await socket.send([2], to: socket.localAddress) } == .cancelled)
      _ = try await socket.receive()
    }
    #expect(await reason { try await cancelled.value } == .cancelled)
    #expect(try await socket.receive().bytes == [1])
    try await socket.send([3], to: socket.localAddress)
    #expect(try await socket.receive().bytes == [3])
  }

  @Test("a cancelled task doesn't accept a pending connection", arguments: usableBackends)
  func accept(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    let listener = try await Listener.bind(to: "127.0.0.1:0", on: reactor)
    let client = try Socket.connected(to: listener.localAddress)
    let cancelled = Task(executorPreference: reactor) {
      cancelThisTask()
      return try await listener.accept()
    }
    await #expect(throws: CancellationError.self) { try await cancelled.value }
    #expect(try await listener.accept()?.peerAddress == client.localAddress())
  }
}
