import Multiplex
import MultiplexAsync
import TestSupport
import Testing

@Suite("Posting to a connection", .timeLimit(.minutes(2)))
struct ConnectionPostingTests {
  @Test("what a chunk handler posts to other connections arrives", arguments: usableBackends)
  func broadcast(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    let members = Recorder<Connection>()
    let serve: @Sendable (Listener) async -> Void = { listener in
      await listener.serveChunks { connection in
        members.add(connection)
        return ChunkHandler { chunk, _ in
          let bytes = chunk.array
          for member in members.elements where member != connection { member.post(bytes.reversed()) }
        }
      }
    }
    try await withListener(on: reactor, served: serve) { listener in
      var clients: [Connection] = []
      for _ in 0..<10 { clients.append(try await Connection.connect(to: listener.localAddress, on: reactor)) }
      #expect(await becomesTrue { members.elements.count == 10 })
      for client in clients {
        try await client.write("yx")
        for other in clients where other != client { #expect(try await other.read(exactly: 2) == Array("xy".utf8)) }
      }
    }
  }

  @Test("posts from several threads arrive whole, and those of one thread in order", arguments: usableBackends)
  func threads(backend: Poller.Backend) async throws {
    let peer = try await RawPeer(on: try Reactor(backend: backend), bufferSize: 4096)
    let connection = peer.connection
    let (threads, posts, size) = (4, 200, 500)
    await withTaskGroup { tasks in
      for thread in 0..<threads {
        tasks.addTask {
          for number in 0..<posts {
            connection.post([UInt8(thread), UInt8(number)] + [UInt8](repeating: UInt8(thread), count: size - 2))
          }
        }
      }
    }
    let received = try await peer.take(threads * posts * size)
    var next = [UInt8](repeating: 0, count: threads)
    for start in stride(from: 0, to: received.count, by: size) {
      let post = received[start..<start + size]
      let thread = Int(post[start])
      #expect(post[start + 1] == next[thread])
      next[thread] &+= 1
      #expect(post.dropFirst(2).allSatisfy { $0 == UInt8(thread) })
    }
    #expect(next.allSatisfy { $0 == UInt8(posts) })
  }

  @Test("a peer that doesn't keep up is disconnected, and its handler is notified", arguments: usableBackends)
  func slowPeer(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    let peer = try await RawPeer(on: reactor, bufferSize: 4096)
    let connection = peer.connection
    let reasons = Recorder<CloseReason>()
    connection.onClose { reasons.add($0) }
    let reading = Task { try await connection.read()?.count }
    let bytes = [UInt8](repeating: 1, count: 10_000)
    let mostQueued = await reactor.run {
      var most = 0
      // The kernel takes some of it.
      for _ in 0..<100 {
        connection.post(bytes, limit: 100_000)
        most = max(most, await connection.queuedCount)
      }
      return most
    }
    // Up to the limit before the last post, which was accepted whole.
    #expect((100_001...110_000).contains(mostQueued))
    #expect(await reason { _ = try await reading.value } == .closed)
    guard case .fellBehind = reasons.elements.first else {
      Issue.record("closed because of \(reasons.elements)")
      return
    }
    #expect(reasons.elements.count == 1)
    #expect(await becomesTrue { peer.isGone })
  }

  @Test("posts that wait for a blocked reactor are limited too", arguments: usableBackends)
  func blockedReactor(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    let peer = try await RawPeer(on: reactor)
    let fine = try await RawPeer(on: reactor)
    let blocked = await BlockedReactor(reactor)
    for _ in 0..<1000 { peer.connection.post([UInt8](repeating: 1, count: 1000), limit: 10_000) }
    fine.connection.post([UInt8](repeating: 1, count: 10_000), limit: 10_000)
    blocked.goOn()
    #expect(await reason { _ = try await peer.connection.read() } == .closed)
    #expect(try await fine.take(10_000).count == 10_000)
    fine.connection.post([2], limit: 10_000)
    #expect(try await fine.take(1) == [2])
  }

  @Test("a burst of posts doesn't disconnect a peer that has room for them", arguments: usableBackends)
  func burst(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    let peer = try await RawPeer(on: reactor)
    let connection = peer.connection
    try await connection.set(.sendBuffer, to: 4 << 20)
    try peer.socket.set(.receiveBuffer, to: 4 << 20)
    let bytes = numbered(200_000)
    await reactor.run {
      for start in stride(from: 0, to: bytes.count, by: 1000) {
        connection.post(bytes[start..<start + 1000], limit: 100_000)
      }
    }
    #expect(try await peer.take(bytes.count) == bytes)
    // With a limit of zero, each is sent at once.
    await reactor.run { for byte: UInt8 in 1...100 { connection.post([byte], limit: 0) } }
    #expect(try await peer.take(100) == Array(1...100))
  }

  @Test("a post of any length is accepted if nothing is queued", arguments: usableBackends)
  func longPost(backend: Poller.Backend) async throws {
    let peer = try await RawPeer(on: try Reactor(backend: backend), bufferSize: 4096)
    let connection = peer.connection
    let bytes = numbered(200_000)
    connection.post(bytes, limit: 0)
    #expect(try await peer.take(bytes.count) == bytes)
    connection.post(bytes, limit: 0)
    #expect(try await peer.take(bytes.count) == bytes)
  }

  @Test("posts don't wait at the high watermark, but writes do", arguments: usableBackends)
  func watermark(backend: Poller.Backend) async throws {
    let peer = try await RawPeer(on: try Reactor(backend: backend), bufferSize: 4096)
    let connection = peer.connection
    connection.setWatermarks(Watermarks(low: 0, high: 1000))
    let bytes = numbered(200_000)
    connection.post(bytes)
    #expect(await connection.queuedCount > 100_000)
    let isWritten = Counter()
    let writing = Task {
      try await connection.write("!")
      isWritten.add()
    }
    connection.post("?")
    try await connection.reactor.sleep(for: .milliseconds(10))
    #expect(isWritten.value == 0)
    #expect(try await peer.take(bytes.count) == bytes)
    try await writing.value
    #expect(Set(try await peer.take(2)) == Set("!?".utf8))
  }

  @Test("a handler can post to its own connection until that is disconnected", arguments: usableBackends)
  func ownConnection(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    let reasons = Recorder<CloseReason>()
    let serve: @Sendable (Listener) async -> Void = { listener in
      await listener.serveChunks { connection in
        connection.onClose { reasons.add($0) }
        return ChunkHandler { chunk, replies in
          connection.post("posted ")
          replies.write("replied")
          guard chunk.count > 1 else { return }
          for _ in 0..<2 { connection.post([UInt8](repeating: 0, count: 10_000_000)) }
        }
      }
    }
    try await withListener(on: reactor, served: serve) { listener in
      let client = try await Connection.connect(to: listener.localAddress, on: reactor)
      try await client.write("x")
      #expect(try await client.read(exactly: 14) == Array("posted replied".utf8))
      try await client.write("xx")
      #expect(await becomesTrue { reasons.elements.count == 1 })
      guard case .fellBehind = reasons.elements.first else {
        Issue.record("closed because of \(reasons.elements)")
        return
      }
    }
  }

  @Test("posting to a connection that has ended is ignored", arguments: usableBackends)
  func ended(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    let peer = try await RawPeer(on: reactor)
    let connection = peer.connection
    try await connection.closeWrite()
    connection.post("late", limit: 0)
    #expect(await connection.queuedCount == 0)
    #expect(try await peer.takeAll().isEmpty)
    try peer.socket.sendAll(Array("x".utf8))
    #expect(try await connection.read()?.array == Array("x".utf8))
    await connection.close()
    await reactor.run { connection.post("later") }
    #expect(await connection.queuedCount == 0)
  }
}
