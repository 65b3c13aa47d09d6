import Multiplex
import MultiplexAsync
import TestSupport
import Testing

@Suite("Writing to a connection", .timeLimit(.minutes(2)))
struct ConnectionWritingTests {
  @Test("text, bytes and chunks that are written arrive", arguments: usableBackends)
  func write(backend: Poller.Backend) async throws {
    let peer = try await RawPeer(on: try Reactor(backend: backend))
    try await peer.connection.write("text ")
    try await peer.connection.write([UInt8]())
    try await peer.connection.write("bytes ".utf8)
    try await peer.connection.write(Array("a slice ".utf8)[2...])
    try peer.socket.sendAll(Array("chunk".utf8))
    let chunk = try #require(try await peer.connection.read()?.array)
    try await peer.connection.write(chunk)
    #expect(try await peer.take(22) == Array("text bytes slice chunk".utf8))
  }

  @Test("a write waits while the peer is slow, and continues when it reads", arguments: usableBackends)
  func backpressure(backend: Poller.Backend) async throws {
    let peer = try await RawPeer(on: try Reactor(backend: backend), bufferSize: 16 * 1024)
    let connection = peer.connection
    let bytes = numbered(2_000_000)
    let written = Counter()
    let writing = Task {
      for start in stride(from: 0, to: bytes.count, by: 10_000) {
        try await connection.write(Array(bytes[start..<start + 10_000]))
        written.add(10_000)
      }
    }
    // What the kernel's buffers hold, and the queue up to the high watermark.
    let atMost = 256 * 1024 + 4 * 16 * 1024 + 200_000
    #expect(await becomesTrue { written.value >= 256 * 1024 - 10_000 })
    try await connection.reactor.sleep(for: .milliseconds(20))
    #expect(written.value < atMost)
    #expect(try await peer.take(bytes.count) == bytes)
    try await writing.value
    #expect(written.value == bytes.count)
  }

  @Test("watermarks determine when writes wait", arguments: usableBackends)
  func watermarks(backend: Poller.Backend) async throws {
    let peer = try await RawPeer(on: try Reactor(backend: backend), bufferSize: 4096)
    let connection = peer.connection
    connection.setWatermarks(Watermarks(low: 0, high: 0))
    let bytes = numbered(80_000)
    let isDone = Counter()
    let writing = Task {
      try await connection.write(bytes)
      isDone.add()
    }
    try await connection.reactor.sleep(for: .milliseconds(10))
    #expect(isDone.value == 0)
    #expect(try await peer.take(bytes.count) == bytes)
    try await writing.value
    connection.setWatermarks(Watermarks(low: 0, high: 1_000_000))
    // The first fills the kernel, the second is queued.
    try await connection.write(bytes)
    try await connection.write(bytes)
    #expect(try await peer.take(2 * bytes.count) == bytes + bytes)
  }

  @Test("invalid watermarks are clamped")
  func strangeWatermarks() {
    #expect(Watermarks(low: 10, high: 5) == Watermarks(low: 5, high: 5))
    #expect(Watermarks(low: -1, high: -1) == Watermarks(low: 0, high: 0))
  }

  @Test("writes by several tasks arrive whole", arguments: usableBackends)
  func concurrentWriters(backend: Poller.Backend) async throws {
    let peer = try await RawPeer(on: try Reactor(backend: backend), bufferSize: 4096)
    let connection = peer.connection
    let size = 3000
    connection.setWatermarks(Watermarks(low: 1000, high: 5000))
    let writers = (0..<8).map { number in
      Task {
        for _ in 0..<20 { try await connection.write([UInt8](repeating: UInt8(number), count: size)) }
      }
    }
    let received = try await peer.take(8 * 20 * size)
    var counts = [Int](repeating: 0, count: 8)
    for start in stride(from: 0, to: received.count, by: size) {
      let message = received[start..<start + size]
      #expect(message.allSatisfy { $0 == message.first })
      counts[Int(received[start])] += 1
    }
    #expect(counts.allSatisfy { $0 == 20 })
    for writer in writers { try await writer.value }
  }

  @Test("a flush waits until the kernel has everything", arguments: usableBackends)
  func flush(backend: Poller.Backend) async throws {
    let peer = try await RawPeer(on: try Reactor(backend: backend), bufferSize: 4096)
    let connection = peer.connection
    try await connection.flush()
    let bytes = numbered(80_000)
    try await connection.write(bytes)
    let isDone = Counter()
    let flushing = Task {
      try await connection.flush()
      isDone.add()
    }
    try await connection.reactor.sleep(for: .milliseconds(10))
    #expect(isDone.value == 0)
    #expect(try await peer.take(bytes.count) == bytes)
    try await flushing.value
  }

  @Test("the bytes of a cancelled write have been queued, and arrive", arguments: usableBackends)
  func cancelled(backend: Poller.Backend) async throws {
    let peer = try await RawPeer(on: try Reactor(backend: backend), bufferSize: 4096)
    let connection = peer.connection
    connection.setWatermarks(Watermarks(low: 0, high: 0))
    let bytes = numbered(80_000)
    for isLate in [true, false] {
      let writing = Task { try await connection.write(bytes) }
      if isLate { try await connection.reactor.sleep(for: .milliseconds(10)) }
      writing.cancel()
      #expect(await reason { try await writing.value } == .cancelled)
    }
    let flushing = Task { try await connection.flush() }
    flushing.cancel()
    #expect(await reason { try await flushing.value } == .cancelled)
    #expect(try await peer.take(2 * bytes.count) == bytes + bytes)
    try await connection.write("on")
    #expect(try await peer.take(2) == Array("on".utf8))
  }

  @Test("a reset ends the waiting write and fails all later ones", arguments: usableBackends)
  func resetWhileWriting(backend: Poller.Backend) async throws {
    let peer = try await RawPeer(on: try Reactor(backend: backend), bufferSize: 4096)
    let connection = peer.connection
    let writing = Task { try await connection.write(numbered(1_000_000)) }
    let flushing = Task { try await connection.flush() }
    try await connection.reactor.sleep(for: .milliseconds(5))
    try peer.reset()
    #expect(await reason { try await writing.value } == .reset)
    _ = await flushing.result
    #expect(await reason { try await connection.write("x") } == .reset)
    #expect(await reason { try await connection.flush() } == .reset)
    await connection.close()
  }

  @Test(
    "a chunk that can no longer be sent fails its write, or the flush after it", arguments: usableBackends,
    [100, 20_000])
  func chunkAfterReset(backend: Poller.Backend, size: Int) async throws {
    let reactor = try Reactor(backend: backend)
    let peer = try await RawPeer(on: reactor)
    let connection = peer.connection
    try peer.socket.sendAll(numbered(size))
    let hasRead = Counter()
    let isReset = Counter()
    let writing = Task(executorPreference: reactor) { () async throws -> Void in
      guard let chunk = try await connection.read() else { return }
      hasRead.add()
      while isReset.value == 0 { try await reactor.sleep(for: .milliseconds(1)) }
      try await connection.write(chunk)
      // The kernel receives what is written at the end of the turn.
      try await reactor.sleep(for: .milliseconds(1))
      try await connection.flush()
    }
    #expect(await becomesTrue { hasRead.value == 1 })
    try peer.reset()
    isReset.add()
    #expect(await reason { try await writing.value } == .reset)
    await connection.close()
  }

  @Test("large transfers in pieces of random sizes arrive unchanged", arguments: usableBackends, 1...3)
  func randomPieces(backend: Poller.Backend, seed: Int) async throws {
    var random = SeededGenerator(seed: UInt64(seed))
    let reactor = try Reactor(backend: backend)
    let (near, far) = try Socket.pair()
    for socket in [near, far] {
      try socket.set(.sendBuffer, to: Int32.random(in: 2048...20_000, using: &random))
    }
    let sender = try await Connection.adopt(near, on: reactor)
    let receiver = try await Connection.adopt(far, on: reactor)
    let bytes = numbered(500_000)
    var pieces: [Range<Int>] = []
    var start = 0
    while start < bytes.count {
      let end = min(bytes.count, start + Int.random(in: 1...60_000, using: &random))
      pieces.append(start..<end)
      start = end
    }
    let sending = Task(executorPreference: seed.isMultiple(of: 2) ? reactor : nil) { [pieces] in
      for piece in pieces { try await sender.write(Array(bytes[piece])) }
      try await sender.closeWrite()
    }
    var received: [UInt8] = []
    while received.count < bytes.count - 60_000 {
      received += try await receiver.read(exactly: Int.random(in: 1...60_000, using: &random))
    }
    while let chunk = try await receiver.read() { received += chunk.array }
    #expect(received == bytes)
    try await sending.value
  }
}
