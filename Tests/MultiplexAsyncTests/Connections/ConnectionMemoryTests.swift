import Multiplex
import MultiplexAsync
import SystemPackage
import TestSupport
import Testing

@Suite("Reading into and writing from the caller's memory", .timeLimit(.minutes(2)))
struct ConnectionMemoryTests {
  @Test(
    "a stream is read whole into memory of any size, by tasks on the reactor and elsewhere",
    arguments: usableBackends, 1...4)
  func wholeStream(backend: Poller.Backend, seed: Int) async throws {
    var random = SeededGenerator(seed: UInt64(seed))
    let reactor = try Reactor(backend: backend)
    let peer = try await RawPeer(on: reactor, bufferSize: seed.isMultiple(of: 2) ? 4096 : nil)
    let connection = peer.connection
    let bytes = numbered(150_000)
    let sender = try peer.startOtherSide { try $0.sendAll(bytes, timeout: .seconds(100)) }
    var received: [UInt8] = []
    var isAtEnd = false
    while !isAtEnd {
      let size = Int.random(in: 1...(Bool.random(using: &random) ? 10 : 90_000), using: &random)
      // Reads of other kinds leave bytes behind for these.
      if Int.random(in: 0..<4, using: &random) == 0, let line = try? await connection.readLine(limit: 100) {
        received += line
      }
      let isOnReactor = Bool.random(using: &random)
      let read = { @Sendable () async throws -> [UInt8]? in try await connection.readArray(size) }
      guard let piece = try await isOnReactor ? reactor.run(read) : read() else {
        isAtEnd = true
        continue
      }
      try #require(!piece.isEmpty && piece.count <= size)
      received += piece
    }
    #expect(received == bytes)
    try sender.join()
  }

  @Test("memory beyond the received bytes is left unchanged", arguments: usableBackends)
  func restUntouched(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    let peer = try await RawPeer(on: reactor)
    let connection = peer.connection
    for isOnReactor in [true, false] {
      try peer.socket.sendAll([1, 2, 3])
      let read = { @Sendable () async throws -> [UInt8] in
        var bytes = [UInt8](repeating: 9, count: 6)
        var memory = bytes.mutableSpan
        #expect(try await connection.read(into: &memory) == 3)
        return bytes
      }
      #expect(try await (isOnReactor ? reactor.run(read) : read()) == [1, 2, 3, 9, 9, 9])
    }
  }

  @Test("reading into empty memory takes nothing and doesn't wait", arguments: usableBackends)
  func empty(backend: Poller.Backend) async throws {
    let peer = try await RawPeer(on: try Reactor(backend: backend))
    #expect(try await peer.connection.readArray(0) == [])
    try peer.socket.sendAll([1])
    #expect(try await peer.connection.readArray(5) == [1])
  }

  @Test("a read into memory is cancelled, refused and ended like any other", arguments: usableBackends)
  func failures(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    for preference in [reactor, nil] {
      let peer = try await RawPeer(on: reactor)
      let connection = peer.connection
      let waiting = Task(executorPreference: preference) { try await connection.readArray(5) }
      try await reactor.sleep(for: .milliseconds(2))
      let second = Task(executorPreference: preference) { try await connection.readArray(5) }
      #expect(await reason { _ = try await second.value } == .busy)
      waiting.cancel()
      #expect(await reason { _ = try await waiting.value } == .cancelled)
      try peer.reset()
      let broken = Task(executorPreference: preference) { try await connection.readArray(5) }
      #expect(await reason { _ = try await broken.value } == .reset)
      await connection.close()
      let closed = Task(executorPreference: preference) { try await connection.readArray(5) }
      #expect(await reason { _ = try await closed.value } == .closed)
    }
  }

  @Test("a span is written, at once or queued, from the reactor and elsewhere", arguments: usableBackends)
  func writeSpan(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    let peer = try await RawPeer(on: reactor, bufferSize: 4096)
    let connection = peer.connection
    let bytes = numbered(50_000)
    let write = { @Sendable () async throws in
      // Changed immediately after: what is queued must be a copy.
      var own = bytes
      try await connection.write(unsafe own.span.bytes)
      for index in own.indices { own[index] = 0 }
    }
    try await reactor.run(write)
    try await write()
    #expect(try await peer.take(2 * bytes.count) == bytes + bytes)
  }

  @Test(
    "a vectored write arrives as one, whether its pieces are few, many, long, short or empty",
    arguments: usableBackends, 1...6)
  func vectored(backend: Poller.Backend, seed: Int) async throws {
    var random = SeededGenerator(seed: UInt64(seed))
    let reactor = try Reactor(backend: backend)
    let peer = try await RawPeer(on: reactor, bufferSize: seed.isMultiple(of: 2) ? 4096 : nil)
    let connection = peer.connection
    let longest = [3, 100, 2000][seed % 3]
    let messages = (0..<6).map { _ in
      (0..<Int.random(in: 0...150, using: &random)).map { _ in
        numbered(max(0, Int.random(in: -longest / 3...longest, using: &random)))
      }
    }
    let writing = Task(executorPreference: Bool.random(using: &random) ? reactor : nil) {
      for message in messages { try await connection.write(vectored: message) }
      try await connection.closeWrite()
    }
    let expected = messages.reduce(into: [UInt8]()) { all, message in message.forEach { all += $0 } }
    #expect(try await peer.takeAll() == expected)
    try await writing.value
  }

  @Test("vectored writes by several tasks aren't interleaved", arguments: usableBackends)
  func vectoredWhole(backend: Poller.Backend) async throws {
    let peer = try await RawPeer(on: try Reactor(backend: backend), bufferSize: 4096)
    let connection = peer.connection
    connection.setWatermarks(Watermarks(low: 1000, high: 5000))
    let writers = (0..<4).map { number in
      Task {
        for _ in 0..<20 {
          try await connection.write(vectored: (0..<100).map { _ in [UInt8](repeating: UInt8(number), count: 30) })
        }
      }
    }
    let received = try await peer.take(4 * 20 * 3000)
    for start in stride(from: 0, to: received.count, by: 3000) {
      let message = received[start..<start + 3000]
      #expect(message.allSatisfy { $0 == message.first })
    }
    for writer in writers { try await writer.value }
  }

  @Test("a vectored write waits, is cancelled and is refused like any other", arguments: usableBackends)
  func vectoredFailures(backend: Poller.Backend) async throws {
    let peer = try await RawPeer(on: try Reactor(backend: backend), bufferSize: 4096)
    let connection = peer.connection
    connection.setWatermarks(Watermarks(low: 0, high: 0))
    let pieces = (0..<10).map { numbered(8000 + $0) }
    let writing = Task { try await connection.write(vectored: pieces) }
    try await connection.reactor.sleep(for: .milliseconds(5))
    writing.cancel()
    #expect(await reason { try await writing.value } == .cancelled)
    let all = Array(pieces.joined())
    #expect(try await peer.take(all.count) == all)
    try peer.reset()
    #expect(await becomesTrue { await isReset { try await connection.write(vectored: [[1], [2]]) } })
    await connection.close()
    #expect(await reason { try await connection.write(vectored: [[1]]) } == .closed)
  }

  #if MULTIPLEX_FAULTS
    // Not where the kernel has edges: none follows a write that was cut short though there is room.
    @Test(
      "vectored writes that are cut short and interrupted at random arrive whole",
      arguments: usableBackends.filter { $0.emulatedModes.contains(.edge) }, 1...6)
    func vectoredFaults(backend: Poller.Backend, seed: Int) async throws {
      let plan = FaultPlan(
        seed: UInt64(seed), oneIn: 3,
        faults: [.sendmsg: [.interrupted, .wouldBlock]])
      let reactor = try Reactor(backend: backend)
      let peer = try await RawPeer(on: reactor)
      let connection = peer.connection
      let pieces = (0..<150).map { numbered($0 * 7 % 300) }
      try await FaultPlan.$current.withValue(plan) {
        try await reactor.run { for _ in 0..<10 { try await connection.write(vectored: pieces) } }
      }
      try await connection.closeWrite()
      #expect(try await peer.takeAll() == Array((0..<10).flatMap { _ in pieces.joined() }))
      #expect(plan.injected > 0)
    }

    @Test("a connection that can't wait for room fails, and its peer notices")
    func noMemoryForRoom() async throws {
      let plan = FaultPlan(seed: 1, oneIn: 1, faults: [.epoll_ctl: [.noMemory]])
      let peer = try await RawPeer(on: try Reactor(backend: .epoll))
      let connection = peer.connection
      let writing = Task(executorPreference: connection.reactor) {
        try await FaultPlan.$current.withValue(plan) {
          while true { try await connection.write(numbered(1000)) }
        }
      }
      await #expect(throws: ConnectionError.self) { try await writing.value }
      connection.abort()
      _ = try await peer.takeAll()
    }

    @Test("a vectored write takes one system call for every 64 pieces", arguments: usableBackends)
    func vectoredCalls(backend: Poller.Backend) async throws {
      let plan = FaultPlan(seed: 1, oneIn: .max, faults: [:])
      let reactor = try Reactor(backend: backend)
      let peer = try await RawPeer(on: reactor)
      let connection = peer.connection
      try await FaultPlan.$current.withValue(plan) {
        // Each in a turn of its own: the second would be gathered.
        try await reactor.run { try await connection.write(vectored: (0..<64).map { [UInt8($0)] }) }
        try await reactor.run { try await connection.write(vectored: (0..<65).map { [UInt8($0)] }) }
      }
      // A ring sends without a system call of its own.
      #expect(plan.count(of: .sendmsg) == (backend == .ioUring ? 0 : 3))
      #expect(plan.count(of: .send) == 0)
      #expect(try await peer.take(129) == Array(0..<64) + Array(0..<65))
    }
  #endif
}

/// Whether an operation fails because the peer has reset the connection.
private func isReset(_ operation: () async throws -> Void) async -> Bool {
  do {
    try await operation()
    return false
  } catch {
    return (error as? ConnectionError)?.reason == .reset
  }
}
