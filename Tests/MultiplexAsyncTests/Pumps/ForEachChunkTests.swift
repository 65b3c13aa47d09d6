import Multiplex
import MultiplexAsync
import TestSupport
import Testing

@Suite("A handler for each chunk", .timeLimit(.minutes(3)))
struct ForEachChunkTests {
  @Test(
    "forEachChunk handles chunks in order to the end, and sends the replies", arguments: usableBackends,
    1...4 as ClosedRange<UInt64>)
  func echo(backend: Poller.Backend, seed: UInt64) async throws {
    let reactor = try Reactor(backend: backend)
    let (near, far) = try connectedPair()
    let connection = try await Connection.adopt(near, on: reactor)
    let client = try await Connection.adopt(far, on: reactor)
    let handling = Task { try await connection.forEachChunk { chunk, replies in replies.write(chunk) } }
    var generator = SeededGenerator(seed: seed)
    let bytes = numbered(Int.random(in: 1...2_000_000, using: &generator))
    let sending = Task { [generator] in
      var generator = generator
      var rest = bytes[...]
      while !rest.isEmpty {
        let piece = rest.prefix(1 << Int.random(in: 0...18, using: &generator))
        try await client.write(Array(piece))
        rest = rest.dropFirst(piece.count)
      }
      try await client.closeWrite()
    }
    #expect(try await client.read(exactly: bytes.count) == bytes)
    try await sending.value
    try await handling.value
    await connection.close()
    #expect(try await client.read()?.count == nil)
  }

  @Test("every kind of reply is sent, in the order of the calls", arguments: usableBackends)
  func kindsOfReply(backend: Poller.Backend) async throws {
    let peer = try await RawPeer(on: try Reactor(backend: backend))
    let connection = peer.connection
    let handling = Task {
      try await connection.forEachChunk { chunk, replies in
        replies.write("text ")
        replies.write([0, 1, 2].dropFirst())
        chunk.withBytes { replies.write($0) }
        replies.write(vectored: [[3], [], [4, 5]])
        replies.write(chunk)
      }
    }
    try peer.socket.sendAll(Array("?".utf8))
    let expected = Array("text ".utf8) + [1, 2] + Array("?".utf8) + [3, 4, 5] + Array("?".utf8)
    #expect(try await peer.take(expected.count) == expected)
    try peer.socket.shutdown(.writing)
    try await handling.value
  }

  @Test("a chunk handler keeps its state from chunk to chunk", arguments: usableBackends)
  func state(backend: Poller.Backend) async throws {
    let peer = try await RawPeer(on: try Reactor(backend: backend))
    let connection = peer.connection
    let handling = Task {
      var line: [UInt8] = []
      try await connection.forEachChunk { chunk, replies in
        for byte in chunk.array {
          line.append(byte)
          guard byte == UInt8(ascii: "\n") else { continue }
          replies.write(line.reversed())
          line = []
        }
      }
    }
    for piece in ["he", "llo\nyo", "u\n"] {
      try peer.socket.sendAll(Array(piece.utf8))
      // So that they arrive separately, most of the time.
      try await connection.reactor.sleep(for: .milliseconds(1))
    }
    #expect(try await peer.take(10) == Array("\nolleh\nuoy".utf8))
    try peer.socket.shutdown(.writing)
    try await handling.value
  }

  @Test("forEachChunk handles bytes that were read ahead first", arguments: usableBackends)
  func lookahead(backend: Poller.Backend) async throws {
    let peer = try await RawPeer(on: try Reactor(backend: backend))
    let connection = peer.connection
    try peer.socket.sendAll(Array("line\nrest".utf8))
    #expect(try await connection.readLine() == Array("line\n".utf8))
    let handling = Task { try await connection.forEachChunk { chunk, replies in replies.write(chunk) } }
    #expect(try await peer.take(4) == Array("rest".utf8))
    try peer.socket.shutdown(.writing)
    try await handling.value
  }

  @Test("a chunk handler can end forEachChunk, and later bytes are for the next read", arguments: usableBackends)
  func end(backend: Poller.Backend) async throws {
    let peer = try await RawPeer(on: try Reactor(backend: backend))
    let connection = peer.connection
    let handling = Task {
      try await connection.forEachChunk { chunk, replies in
        replies.write(chunk)
        replies.end()
      }
    }
    try peer.socket.sendAll([1])
    try await handling.value
    #expect(try await peer.take(1) == [1])
    try peer.socket.sendAll([2, 3])
    #expect(try await connection.read(exactly: 2) == [2, 3])
  }

  @Test(
    "an error that a chunk handler throws is thrown to the caller, and the connection stays usable",
    arguments: usableBackends)
  func throwing(backend: Poller.Backend) async throws {
    struct Refusal: Error, Equatable { let byte: UInt8? }
    let peer = try await RawPeer(on: try Reactor(backend: backend))
    let connection = peer.connection
    let handling = Task {
      try await connection.forEachChunk { chunk, replies in
        replies.write("no")
        throw Refusal(byte: chunk.array.first)
      }
    }
    try peer.socket.sendAll([9])
    await #expect(throws: Refusal(byte: 9)) { try await handling.value }
    #expect(try await peer.take(2) == Array("no".utf8))
    try peer.socket.sendAll([2])
    #expect(try await connection.read(exactly: 1) == [2])
  }

  @Test(
    "cancelling ends forEachChunk at once, whatever it waits for, and loses no bytes",
    arguments: usableBackends, [false, true])
  func cancellation(backend: Poller.Backend, isFlooded: Bool) async throws {
    let reactor = try Reactor(backend: backend)
    let peer = try await RawPeer(on: reactor, bufferSize: 4096)
    let connection = peer.connection
    connection.setWatermarks(Watermarks(low: 0, high: 0))
    let handled = Recorder<[UInt8]>()
    let handling = Task {
      try await connection.forEachChunk { chunk, replies in
        handled.add(chunk.array)
        if isFlooded { replies.write(numbered(1_000_000)) }
      }
    }
    try peer.socket.sendAll([1])
    #expect(await becomesTrue { handled.elements == [[1]] })
    if isFlooded { #expect(await becomesTrue { await connection.queuedCount > 0 }) }
    handling.cancel()
    #expect(await reason { try await handling.value } == .cancelled)
    try peer.socket.sendAll([2, 3])
    #expect(try await connection.read(exactly: 2) == [2, 3])
    #expect(handled.elements == [[1]])
  }

  @Test("a task that was cancelled before forEachChunk gets no chunk", arguments: usableBackends)
  func cancelledBefore(backend: Poller.Backend) async throws {
    let peer = try await RawPeer(on: try Reactor(backend: backend))
    let connection = peer.connection
    try peer.socket.sendAll([1])
    let handled = Counter()
    let handling = Task {
      cancelThisTask()
      try await connection.forEachChunk { _, _ in handled.add() }
    }
    #expect(await reason { try await handling.value } == .cancelled)
    #expect(try await connection.read(exactly: 1) == [1])
    #expect(handled.value == 0)
  }

  @Test("a task cancelled before its listener serves it gets no chunk", arguments: usableBackends)
  func servedCancelledBefore(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    let ended = Recorder<ConnectionError.Reason?>()
    try await withServer(on: reactor) { connection in
      cancelThisTask()
      ended.add(await reason { try await connection.forEachChunk { _, _ in } })
    } while: { listener in
      let client = try await Connection.connect(to: listener.localAddress, on: reactor)
      #expect(await becomesTrue { ended.elements == [.cancelled] })
      client.abort()
    }
  }

  @Test(
    "replies that wait for a peer that doesn't read keep nothing alive once forEachChunk has ended",
    arguments: usableBackends)
  func nothingIsKept(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    let (near, far) = try Socket.pair()
    try await {
      let connection = try await Connection.adopt(near, on: reactor)
      connection.setWatermarks(Watermarks(low: 0, high: 0))
      try far.sendAll([1])
      let handling = Task {
        try await connection.forEachChunk { _, replies in replies.write(numbered(4_000_000)) }
      }
      #expect(await becomesTrue { await connection.queuedCount > 0 })
      handling.cancel()
      #expect(await reason { try await handling.value } == .cancelled)
    }()
    #expect(
      await becomesTrue {
        !kernelReadiness(of: far.fileDescriptor, for: .read).isDisjoint(with: [.readClosed, .hangUp, .error])
      })
  }

  @Test("a chunk handler that ends forEachChunk still waits until there is room", arguments: usableBackends)
  func endWithBackpressure(backend: Poller.Backend) async throws {
    let peer = try await RawPeer(on: try Reactor(backend: backend), bufferSize: 4096)
    let connection = peer.connection
    connection.setWatermarks(Watermarks(low: 1000, high: 5000))
    let size = 1_000_000
    let handling = Task {
      try await connection.forEachChunk { _, replies in
        replies.write(numbered(size))
        replies.end()
      }
      return await connection.queuedCount
    }
    try peer.socket.sendAll([1])
    #expect(try await peer.take(size) == numbered(size))
    #expect(try await handling.value <= 1000)
  }

  @Test("a deadline ends forEachChunk without losing bytes", arguments: usableBackends)
  func deadline(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    let peer = try await RawPeer(on: reactor)
    let connection = peer.connection
    await #expect(throws: DeadlineExceeded.self) {
      try await withTimeout(.milliseconds(10), on: reactor) { try await connection.forEachChunk { _, _ in } }
    }
    try peer.socket.sendAll([1])
    #expect(try await connection.read(exactly: 1) == [1])
  }

  @Test("forEachChunk reads nothing while the peer has yet to take the replies", arguments: usableBackends)
  func backpressure(backend: Poller.Backend) async throws {
    let peer = try await RawPeer(on: try Reactor(backend: backend), bufferSize: 4096)
    let connection = peer.connection
    connection.setWatermarks(Watermarks(low: 1000, high: 5000))
    let replySize = 100_000
    let handled = Counter()
    let handling = Task {
      try await connection.forEachChunk { chunk, replies in
        handled.add()
        for _ in 0..<chunk.count { replies.write([UInt8](repeating: 7, count: replySize)) }
      }
    }
    try peer.socket.sendAll([1])
    #expect(await becomesTrue { handled.value == 1 })
    #expect(await becomesTrue { await connection.queuedCount > 5000 })
    try peer.socket.sendAll([2])
    // A chance to be wrong: several turns of the loop.
    for _ in 0..<20 { #expect(await connection.queuedCount <= replySize) }
    #expect(handled.value == 1)
    #expect(try await peer.take(2 * replySize).allSatisfy { $0 == 7 })
    #expect(handled.value == 2)
    try peer.socket.shutdown(.writing)
    try await handling.value
  }

  @Test("forEachChunk and a read refuse each other", arguments: usableBackends)
  func busy(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    let peer = try await RawPeer(on: reactor)
    let connection = peer.connection
    // It runs until it waits, before the next statement.
    let reading = Task(executorPreference: reactor) { try await connection.read()?.array }
    #expect(await reactor.run { await reason { try await connection.forEachChunk { _, _ in } } } == .busy)
    try peer.socket.sendAll([1])
    #expect(try await reading.value == [1])

    let handled = Counter()
    let handling = Task { try await connection.forEachChunk { _, _ in handled.add() } }
    try peer.socket.sendAll([2])
    #expect(await becomesTrue { handled.value == 1 })
    #expect(await reason { _ = try await connection.read() } == .busy)
    #expect(await reason { try await connection.forEachChunk { _, _ in } } == .busy)
    try peer.socket.sendAll([3])
    #expect(await becomesTrue { handled.value == 2 })
    try peer.socket.shutdown(.writing)
    try await handling.value
  }

  @Test("a reset by the peer is thrown by forEachChunk", arguments: usableBackends)
  func reset(backend: Poller.Backend) async throws {
    let peer = try await RawPeer(on: try Reactor(backend: backend))
    let connection = peer.connection
    let handled = Counter()
    let handling = Task { try await connection.forEachChunk { _, _ in handled.add() } }
    try peer.socket.sendAll([1])
    #expect(await becomesTrue { handled.value == 1 })
    try peer.reset()
    #expect(await reason { try await handling.value } == .reset)
  }

  @Test("replies to a peer that is gone fail forEachChunk", arguments: usableBackends)
  func replyInVain(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    let peer = try await RawPeer(on: reactor)
    let connection = peer.connection
    // Either a send or the next read finds the peer's reset.
    let isGone = Gate()
    let handling = Task {
      await isGone.pass()
      try await connection.forEachChunk { chunk, replies in replies.write(numbered(100_000)) }
    }
    try peer.socket.sendAll([1])
    try peer.reset()
    isGone.open()
    #expect(await reason { try await handling.value } == .reset)
  }

  @Test(
    "closing the connection ends forEachChunk, from within the handler and from elsewhere", arguments: usableBackends,
    [false, true])
  func closing(backend: Poller.Backend, isWithin: Bool) async throws {
    let peer = try await RawPeer(on: try Reactor(backend: backend))
    let connection = peer.connection
    let handled = Counter()
    let handling = Task {
      try await connection.forEachChunk { _, replies in
        handled.add()
        if isWithin { connection.abort() }
        replies.write("nobody gets this")
      }
    }
    try peer.socket.sendAll([1])
    #expect(await becomesTrue { handled.value == 1 })
    if !isWithin { connection.abort() }
    #expect(await reason { try await handling.value } == .closed)
    #expect(await becomesTrue { peer.isGone })
  }

  @Test("an idle timeout ends forEachChunk", arguments: usableBackends)
  func idle(backend: Poller.Backend) async throws {
    let peer = try await RawPeer(on: try Reactor(backend: backend))
    let connection = peer.connection
    connection.setIdleTimeout(.milliseconds(20))
    #expect(await reason { try await connection.forEachChunk { _, _ in } } == .timedOut)
    #expect(await becomesTrue { peer.isGone })
  }

  @Test("the reactor calls the chunk handler, whatever executor the caller runs on", arguments: usableBackends)
  @MainActor
  func thread(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    let peer = try await RawPeer(on: reactor)
    let connection = peer.connection
    try peer.socket.sendAll([1])
    try peer.socket.shutdown(.writing)
    let wasCurrent = Recorder<Bool>()
    try await connection.forEachChunk { _, _ in wasCurrent.add(reactor.isCurrent) }
    #expect(wasCurrent.elements == [true])
    MainActor.assertIsolated()
  }

  @Test("a task started by serve can use forEachChunk", arguments: usableBackends)
  func served(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    let ended = Recorder<ConnectionError.Reason?>()
    let listener = try await Listener.bind(to: "127.0.0.1:0", on: reactor)
    let serving = Task {
      await listener.serve { connection in
        ended.add(await reason { try await connection.forEachChunk { chunk, replies in replies.write(chunk) } })
      }
    }
    let client = try await Connection.connect(to: listener.localAddress, on: reactor)
    try await client.write("x")
    #expect(try await client.read(exactly: 1) == Array("x".utf8))
    // How the listener itself cancels it.
    serving.cancel()
    await serving.value
    #expect(ended.elements == [.cancelled])
  }
}
