import Multiplex
import MultiplexAsync
import TestSupport
import Testing

@Suite("Gathering what is written within a turn", .timeLimit(.minutes(2)))
struct ConnectionGatheringTests {
  @Test("a task's answers to pipelined requests go together", arguments: usableBackends)
  func answers(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    let peer = try await RawPeer(on: reactor)
    let lines = (10..<30).map { "line \($0)\n" }
    try peer.socket.sendAll(Array(lines.joined().utf8))
    let connection = peer.connection
    try await reactor.run {
      for _ in lines {
        let line = try #require(try await connection.readLine())
        try await connection.write(line)
      }
    }
    #expect(try await peer.take(lines.joined().utf8.count) == Array(lines.joined().utf8))
    #expect(try receivedSegments(peer.socket) <= 2)
  }

  @Test("what a handler writes for a chunk goes together", arguments: usableBackends)
  func replies(backend: Poller.Backend) async throws {
    let peer = try await RawPeer(on: try Reactor(backend: backend))
    try peer.socket.sendAll(numbered(100))
    try await peer.connection.forEachChunk { chunk, replies in
      for byte in chunk.array { replies.write([byte]) }
      replies.end()
    }
    #expect(try await peer.take(100) == numbered(100))
    #expect(try receivedSegments(peer.socket) <= 2)
  }

  @Test("it isn't kept while the task waits for something else", arguments: usableBackends)
  func otherWait(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    let peer = try await RawPeer(on: reactor)
    let connection = peer.connection
    let gate = Gate()
    let writing = Task(executorPreference: reactor) {
      for text in ["a", "b", "c"] { try await connection.write(text) }
      await gate.pass()
    }
    #expect(try await peer.take(3) == Array("abc".utf8))
    gate.open()
    try await writing.value
  }

  @Test("a flush waits for it, and large writes keep their place", arguments: usableBackends)
  func order(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    let peer = try await RawPeer(on: reactor)
    let connection = peer.connection
    let bytes = numbered(60_000)
    // Both sides of the size that is sent at once, and enough small ones to send before the turn ends.
    let sizes = [1, 2, 10_000, 3, 4095, 4096] + [Int](repeating: 3000, count: 10)
    let count = try await reactor.run {
      var start = 0
      for size in sizes {
        try await connection.write(bytes[start..<start + size])
        start += size
      }
      try await connection.flush()
      #expect(await connection.queuedCount == 0)
      return start
    }
    #expect(try await peer.take(count) == Array(bytes[..<count]))
  }

  @Test("it is sent before the end of input, and before the close", arguments: usableBackends)
  func ends(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    for isHalf in [true, false] {
      let peer = try await RawPeer(on: reactor)
      let connection = peer.connection
      try await reactor.run {
        for text in ["a", "b", "c"] { try await connection.write(text) }
        if isHalf { try await connection.closeWrite() } else { await connection.close() }
      }
      #expect(try await peer.takeAll() == Array("abc".utf8))
    }
  }

  @Test("an observer sees it sent, and nothing queued while there is room", arguments: usableBackends)
  func observed(backend: Poller.Backend) async throws {
    let observer = RecordingObserver()
    let reactor = try Reactor(backend: backend, observer: observer)
    let peer = try await RawPeer(on: reactor)
    let connection = peer.connection
    try await reactor.run { for text in ["a", "b", "c"] { try await connection.write(text) } }
    #expect(try await peer.take(3) == Array("abc".utf8))
    #expect(await becomesTrue { observer.sent.reduce(0, +) == 3 })
    #expect(observer.queued.isEmpty)
  }

  /// Those that don't gather all by themselves.
  private static let readinessBackends = usableBackends.filter { $0 != .ioUring }

  @Test("a large write after small ones is sent at once, with them", arguments: readinessBackends)
  func largeWrite(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    let peer = try await RawPeer(on: reactor)
    let bytes = numbered(10_000)
    try await Task(executorPreference: reactor) {
      for piece in [bytes[..<1], bytes[1..<2], bytes[2...]] { try await peer.connection.write(piece) }
      // The turn hasn't ended, and over loopback nothing is under way.
      #expect(try peer.socket.receive(upTo: bytes.count + 1) == bytes)
    }.value
  }

  @Test("the write that finds out that the peer is gone fails", arguments: readinessBackends)
  func failure(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    let peer = try await RawPeer(on: reactor)
    let writing = Task(executorPreference: reactor) {
      try await peer.connection.write([0])
      try peer.reset()
      // With the last of them, it is more than is gathered.
      for _ in 0..<17 { try await peer.connection.write([UInt8](repeating: 1, count: 1000)) }
    }
    #expect(await reason { try await writing.value } == .reset)
  }

  @Test("what an observer posts at the end of a turn is sent before the next wait", arguments: usableBackends)
  func observer(backend: Poller.Backend) async throws {
    let observer = PostingObserver()
    let reactor = try Reactor(backend: backend, observer: observer)
    let peer = try await RawPeer(on: reactor)
    observer.connections.add(peer.connection)
    await reactor.run {}
    #expect(try await peer.take(3) == Array("abc".utf8))
  }

  /// Posts to a connection at the end of one turn.
  private struct PostingObserver: ReactorObserver {
    let events: ReactorEvents = .turns
    let connections = Recorder<Connection>()

    func turnEnded(readyCount: Int) {
      // Taken out, as the observer would otherwise keep the reactor alive through it.
      guard let connection = connections.takeFirst() else { return }
      for text in ["a", "b", "c"] { connection.post(text) }
    }
  }
}
