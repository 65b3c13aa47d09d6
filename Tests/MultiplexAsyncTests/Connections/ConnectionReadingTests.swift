import Multiplex
import MultiplexAsync
import SystemPackage
import TestSupport
import Testing

/// How much was read before, in each of a few waits: how a connection receives may depend on it.
private let amounts = [0, 1, 60_000]

@Suite("Reading from a connection", .timeLimit(.minutes(2)))
struct ConnectionReadingTests {
  @Test("a read returns received data, or waits for it", arguments: usableBackends)
  func read(backend: Poller.Backend) async throws {
    let peer = try await RawPeer(on: try Reactor(backend: backend))
    for text in ["one", "two", "three"] {
      try peer.socket.sendAll(Array(text.utf8))
      #expect(try await peer.connection.read(exactly: text.utf8.count) == Array(text.utf8))
      let connection = peer.connection
      let waiting = Task { try await connection.read()?.array }
      try peer.socket.sendAll(Array(text.utf8))
      #expect(try await waiting.value == Array(text.utf8))
    }
  }

  @Test("a chunk is never longer than 64 KiB, and the chunks make up the stream", arguments: usableBackends)
  func chunks(backend: Poller.Backend) async throws {
    let peer = try await RawPeer(on: try Reactor(backend: backend))
    let bytes = numbered(1_000_000)
    let sender = try peer.startOtherSide { try $0.sendAll(bytes, timeout: .seconds(100)) }
    var received: [UInt8] = []
    while received.count < bytes.count, let chunk = try await peer.connection.read() {
      #expect(1...65_536 ~= chunk.count)
      chunk.withBytes { #expect($0.count == chunk.count) }
      received += chunk.array
    }
    #expect(received == bytes)
    try sender.join()
  }

  @Test("every read after the end of input reports it, and writing still works", arguments: usableBackends)
  func endOfInput(backend: Poller.Backend) async throws {
    let peer = try await RawPeer(on: try Reactor(backend: backend))
    try peer.socket.sendAll([1, 2])
    try peer.socket.shutdown(.writing)
    #expect(try await peer.connection.read(exactly: 2) == [1, 2])
    for _ in 0..<3 { #expect(try await peer.connection.read()?.count == nil) }
    #expect(try await peer.connection.readLine() == nil)
    #expect(await reason { _ = try await peer.connection.read(exactly: 1) } == .endOfInput)
    try await peer.connection.write("answer")
    await peer.connection.close()
    #expect(try await peer.takeAll() == Array("answer".utf8))
  }

  @Test("an end of input ends a waiting read", arguments: usableBackends)
  func endWhileWaiting(backend: Poller.Backend) async throws {
    let peer = try await RawPeer(on: try Reactor(backend: backend))
    let connection = peer.connection
    let waiting = Task { try await connection.read()?.count }
    try await connection.reactor.sleep(for: .milliseconds(1))
    try peer.socket.shutdown(.writing)
    #expect(try await waiting.value == nil)
  }

  @Test("an end of input right after a full buffer is found", arguments: usableBackends)
  func endBehindFullBuffer(backend: Poller.Backend) async throws {
    for size in [65_535, 65_536, 65_537, 131_072] {
      let peer = try await RawPeer(on: try Reactor(backend: backend))
      let bytes = numbered(size)
      let sender = try peer.startOtherSide { try $0.sendAll(bytes, timeout: .seconds(100)) }
      var received: [UInt8] = []
      while let chunk = try await peer.connection.read() { received += chunk.array }
      #expect(received == bytes)
      try sender.join()
    }
  }

  /// Receives something a few times, each time after a wait.
  private func receive(_ count: Int, from peer: RawPeer) async throws {
    guard count > 0 else { return }
    let connection = peer.connection
    let reactor = connection.reactor
    for _ in 0..<3 {
      let waiting = Task(executorPreference: reactor) { try await connection.read(exactly: count) }
      try await reactor.sleep(for: .milliseconds(1))
      try peer.socket.sendAll(numbered(count))
      #expect(try await waiting.value == numbered(count))
    }
  }

  /// Reads what has arrived before, some time ago.
  private func expect(_ bytes: [UInt8], from peer: RawPeer) async throws {
    let connection = peer.connection
    let reactor = connection.reactor
    // All of it has arrived, and the reactor knows.
    try await reactor.sleep(for: .milliseconds(20))
    let read = try await withTimeout(.seconds(20), on: reactor) { try await connection.read(exactly: bytes.count) }
    #expect(read == bytes)
  }

  @Test("an end of input that arrives with the last bytes is found", arguments: usableBackends, amounts)
  func endWithBytes(backend: Poller.Backend, count: Int) async throws {
    let reactor = try Reactor(backend: backend)
    for last in [2, 20_000] {
      let peer = try await RawPeer(on: reactor)
      try await receive(count, from: peer)
      try peer.socket.sendAll(numbered(last))
      try peer.socket.shutdown(.writing)
      try await expect(numbered(last), from: peer)
      let connection = peer.connection
      #expect(try await withTimeout(.seconds(20), on: reactor) { try await connection.read()?.count } == nil)
    }
  }

  @Test("a reset that arrives with the last bytes is found", arguments: usableBackends, amounts)
  func resetWithBytes(backend: Poller.Backend, count: Int) async throws {
    let reactor = try Reactor(backend: backend)
    let peer = try await RawPeer(on: reactor)
    try await receive(count, from: peer)
    try peer.socket.sendAll([1, 2])
    try peer.reset()
    // Both have arrived, and the reactor knows.
    try await reactor.sleep(for: .milliseconds(20))
    let connection = peer.connection
    let reading = Task(executorPreference: reactor) {
      try await withTimeout(.seconds(20), on: reactor) { while try await connection.read() != nil {} }
    }
    #expect(await reason { try await reading.value } == .reset)
  }

  /// A receive ends at the position of out-of-band data, though there is more to receive.
  @Test("bytes behind out-of-band data are read", arguments: usableBackends, amounts)
  func behindUrgent(backend: Poller.Backend, count: Int) async throws {
    let peer = try await RawPeer(on: try Reactor(backend: backend))
    try await receive(count, from: peer)
    try peer.socket.sendAll([1, 2])
    try peer.socket.fileDescriptor.putUrgent()
    try peer.socket.sendAll([3, 4])
    try await expect([1, 2, 3, 4], from: peer)
  }

  /// A receive ends there as well, and nothing announces the remainder.
  @Test("bytes behind a passed descriptor are read", arguments: usableBackends, amounts)
  func behindDescriptor(backend: Poller.Backend, count: Int) async throws {
    let peer = try await RawPeer(on: try Reactor(backend: backend), bufferSize: 65_536)
    try await receive(count, from: peer)
    try peer.socket.fileDescriptor.put(1, passing: peer.socket.fileDescriptor)
    try peer.socket.sendAll([2])
    try await expect([1, 2], from: peer)
  }

  @Test("descriptors that a peer passes don't stay open", arguments: usableBackends, amounts)
  func passedDescriptors(backend: Poller.Backend, count: Int) async throws {
    let peer = try await RawPeer(on: try Reactor(backend: backend), bufferSize: 65_536)
    try await receive(count, from: peer)
    let file = try TemporaryFolder()
    let path = "\(file.path)/passed"
    let passed = OwnedDescriptor(
      adopting: try FileDescriptor.open(FilePath(path), .readWrite, options: .create, permissions: .ownerReadWrite))
    for _ in 0..<20 { try peer.socket.fileDescriptor.put(1, passing: passed.fileDescriptor) }
    try await expect(Array(repeating: 1, count: 20), from: peer)
    #expect(openDescriptors().count { $0 == path } == 1)
  }

  @Test("a reset ends a waiting read", arguments: usableBackends)
  func resetWhileReading(backend: Poller.Backend) async throws {
    let peer = try await RawPeer(on: try Reactor(backend: backend))
    let connection = peer.connection
    let waiting = Task { try await connection.read()?.count }
    try await connection.reactor.sleep(for: .milliseconds(1))
    try peer.reset()
    #expect(await reason { _ = try await waiting.value } == .reset)
  }

  @Test("a reset is never mistaken for the end of input, however often it is read", arguments: usableBackends)
  func resetIsNoEnd(backend: Poller.Backend) async throws {
    let peer = try await RawPeer(on: try Reactor(backend: backend))
    try peer.reset()
    for _ in 0..<3 { #expect(await reason { _ = try await peer.connection.read() } == .reset) }
    #expect(await reason { _ = try await peer.connection.readLine() } == .reset)
  }

  @Test("a reset that a write ran into isn't the end of input for the reader either", arguments: usableBackends)
  func resetFoundByWrite(backend: Poller.Backend) async throws {
    let peer = try await RawPeer(on: try Reactor(backend: backend))
    try peer.reset()
    var hasFailed = false
    for _ in 0..<100 where !hasFailed {
      do { try await peer.connection.write("x") } catch { hasFailed = error.reason == .reset }
    }
    #expect(hasFailed)
    #expect(await reason { _ = try await peer.connection.read() } == .reset)
  }

  @Test("a second reader is refused, and the first continues", arguments: usableBackends)
  func busy(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    let peer = try await RawPeer(on: reactor)
    let connection = peer.connection
    let first = Task(executorPreference: reactor) { try await connection.read()?.array }
    await reactor.run { await Task.yield() }
    #expect(await reason { _ = try await connection.read() } == .busy)
    #expect(await reason { _ = try await connection.read(exactly: 3) } == .busy)
    #expect(await reason { _ = try await connection.readLine() } == .busy)
    try peer.socket.sendAll([9])
    #expect(try await first.value == [9])
  }

  @Test("a second reader takes none of the bytes that the first has so far", arguments: usableBackends)
  func busyWithPart(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    let peer = try await RawPeer(on: reactor)
    let connection = peer.connection
    try peer.socket.sendAll([1, 2, 3, 10])
    #expect(try await connection.read(exactly: 1) == [1])
    let first = Task(executorPreference: reactor) { try await connection.read(exactly: 5) }
    await reactor.run { await Task.yield() }
    #expect(await reason { _ = try await connection.read(exactly: 2) } == .busy)
    #expect(await reason { _ = try await connection.readLine() } == .busy)
    try peer.socket.sendAll([4, 5])
    try peer.socket.shutdown(.writing)
    #expect(try await first.value == [2, 3, 10, 4, 5])
  }

  @Test("a delimiter is found wherever the bytes are split, and later bytes are kept", arguments: usableBackends, 1...8)
  func delimiter(backend: Poller.Backend, seed: UInt64) async throws {
    let peer = try await RawPeer(on: try Reactor(backend: backend))
    let heads = ["a: b\r\n\r\n", "\r\r\n\r\n", "\r\n\r\n", "\n\r\nc\r\n\r\n"]
    let text = heads.joined() + "rest\r\n\r"
    let sender = try peer.startOtherSide { socket in
      for piece in pieces(of: Array(text.utf8), upTo: 4, seed: seed) { try socket.sendAll(piece) }
      try socket.shutdown(.writing)
    }
    let delimiter = Array("\r\n\r\n".utf8)
    for head in heads {
      #expect(try await peer.connection.read(through: delimiter, limit: head.utf8.count) == Array(head.utf8))
    }
    #expect(await reason { _ = try await peer.connection.read(through: delimiter, limit: 6) } == .limitExceeded)
    #expect(try await peer.connection.read(through: delimiter, limit: 7) == Array("rest\r\n\r".utf8))
    #expect(try await peer.connection.read(through: delimiter) == nil)
    try sender.join()
  }

  @Test("a cancelled read ends at once, and the connection remains usable", arguments: usableBackends)
  func cancelled(backend: Poller.Backend) async throws {
    let peer = try await RawPeer(on: try Reactor(backend: backend))
    let connection = peer.connection
    for round in 0..<20 {
      let waiting = Task { try await connection.read()?.array }
      if round.isMultiple(of: 2) { try await connection.reactor.sleep(for: .milliseconds(1)) }
      waiting.cancel()
      #expect(await reason { _ = try await waiting.value } == .cancelled)
      try peer.socket.sendAll([UInt8(round)])
      #expect(try await connection.read(exactly: 1) == [UInt8(round)])
    }
  }

  @Test("a read of an exact count that is cancelled or fails keeps the received bytes", arguments: usableBackends)
  func exactlyKeeps(backend: Poller.Backend) async throws {
    let peer = try await RawPeer(on: try Reactor(backend: backend))
    let connection = peer.connection
    try peer.socket.sendAll([1, 2, 3])
    let waiting = Task { try await connection.read(exactly: 5) }
    try await connection.reactor.sleep(for: .milliseconds(5))
    waiting.cancel()
    #expect(await reason { _ = try await waiting.value } == .cancelled)
    #expect(try await connection.read(exactly: 2) == [1, 2])
    try peer.socket.sendAll([4])
    try peer.socket.shutdown(.writing)
    #expect(await reason { _ = try await connection.read(exactly: 3) } == .endOfInput)
    #expect(try await connection.read()?.array == [3, 4])
    #expect(try await connection.read(exactly: 0) == [])
  }

  @Test("lines are read one by one, each with its line ending, which the last may lack", arguments: usableBackends)
  func lines(backend: Poller.Backend) async throws {
    let peer = try await RawPeer(on: try Reactor(backend: backend))
    let lines = ["first\n", "\n", "third\r\n", "no end"]
    let connection = peer.connection
    let reading = Task {
      var lines: [String] = []
      while let line = try await connection.readLine() { lines.append(String(decoding: line, as: UTF8.self)) }
      return lines
    }
    for byte in lines.joined().utf8 { try peer.socket.sendAll([byte]) }
    try peer.socket.shutdown(.writing)
    #expect(try await reading.value == lines)
  }

  @Test("lines as text lack their line endings, and a loop that is left can be resumed", arguments: usableBackends)
  func linesAsText(backend: Poller.Backend) async throws {
    let peer = try await RawPeer(on: try Reactor(backend: backend))
    try peer.socket.sendAll(Array("first\n\nthird\r\nfo\rurth\r\n\r\nwörld 🙂\n".utf8))
    try peer.socket.sendAll([0xff, UInt8(ascii: "\n")] + Array("no end\r".utf8))
    try peer.socket.shutdown(.writing)
    var lines: [String] = []
    for _ in 0..<20 {
      for try await line in peer.connection.lines() {
        lines.append(line)
        if lines.count.isMultiple(of: 3) { break }
      }
    }
    #expect(lines == ["first", "", "third", "fo\rurth", "", "wörld 🙂", "\u{fffd}", "no end\r"])
  }

  @Test("an error of a read ends the lines", arguments: usableBackends)
  func linesEndedByErrors(backend: Poller.Backend) async throws {
    let peer = try await RawPeer(on: try Reactor(backend: backend))
    try peer.socket.sendAll(Array("1234\n12345\n".utf8))
    var lines: [String] = []
    let tooLong = await reason { for try await line in peer.connection.lines(limit: 5) { lines.append(line) } }
    #expect(tooLong == .limitExceeded)
    #expect(lines == ["1234"])
    let connection = peer.connection
    let cancelled = Task {
      cancelThisTask()
      for try await _ in connection.lines() {}
    }
    #expect(await reason { try await cancelled.value } == .cancelled)
  }

  @Test("a line as long as the limit is read, and a longer one is refused and kept", arguments: usableBackends)
  func lineLimit(backend: Poller.Backend) async throws {
    let peer = try await RawPeer(on: try Reactor(backend: backend))
    try peer.socket.sendAll(Array("1234\n12345\n".utf8))
    #expect(try await peer.connection.readLine(limit: 5) == Array("1234\n".utf8))
    for _ in 0..<2 {
      #expect(await reason { _ = try await peer.connection.readLine(limit: 5) } == .limitExceeded)
    }
    #expect(try await peer.connection.readLine(limit: 6) == Array("12345\n".utf8))
    try peer.socket.sendAll(Array("abcdef".utf8))
    // Refused without waiting for an end that may never come.
    #expect(await reason { _ = try await peer.connection.readLine(limit: 5) } == .limitExceeded)
    #expect(try await peer.connection.read(exactly: 6) == Array("abcdef".utf8))
  }

  @Test("a last line without a line ending can be as long as the limit", arguments: usableBackends)
  func lastLineLimit(backend: Poller.Backend) async throws {
    for (text, isTooLong) in [("1234", false), ("12345", false), ("123456", true)] {
      let peer = try await RawPeer(on: try Reactor(backend: backend))
      let connection = peer.connection
      let line = Task { try await connection.readLine(limit: 5) }
      try peer.socket.sendAll(Array(text.utf8))
      try peer.socket.shutdown(.writing)
      if isTooLong {
        #expect(await reason { _ = try await line.value } == .limitExceeded)
        #expect(try await connection.read(exactly: 6) == Array(text.utf8))
      } else {
        #expect(try await line.value == Array(text.utf8))
        #expect(try await connection.readLine(limit: 5) == nil)
      }
    }
  }

  @Test("a line whose reader is cancelled in the middle is whole for the next reader", arguments: usableBackends)
  func lineCancelled(backend: Poller.Backend) async throws {
    let peer = try await RawPeer(on: try Reactor(backend: backend))
    let connection = peer.connection
    try peer.socket.sendAll(Array("begin ".utf8))
    let waiting = Task { try await connection.readLine() }
    try await connection.reactor.sleep(for: .milliseconds(5))
    waiting.cancel()
    #expect(await reason { _ = try await waiting.value } == .cancelled)
    try peer.socket.sendAll(Array("end\nrest".utf8))
    #expect(try await connection.readLine() == Array("begin end\n".utf8))
    #expect(try await connection.read(exactly: 4) == Array("rest".utf8))
  }

  @Test("reads of all kinds share one stream", arguments: usableBackends)
  func mixed(backend: Poller.Backend) async throws {
    let peer = try await RawPeer(on: try Reactor(backend: backend))
    try peer.socket.sendAll(Array("line\n12345rest\n".utf8))
    #expect(try await peer.connection.readLine() == Array("line\n".utf8))
    #expect(try await peer.connection.read(exactly: 5) == Array("12345".utf8))
    #expect(try await peer.connection.readLine() == Array("rest\n".utf8))
  }

  @Test("a chunk outlives its connection and the other references to its reactor", arguments: usableBackends)
  func chunkOutlives(backend: Poller.Backend) async throws {
    let thread = try await { () async throws -> ListedThread? in
      var peer: RawPeer? = try await RawPeer(on: try Reactor(backend: backend))
      let thread = try await #require(peer).connection.reactor.run { ListedThread.current }
      try #require(peer).socket.sendAll([1, 2, 3])
      guard let chunk = try await peer?.connection.read() else { return nil }
      peer = nil
      #expect(chunk.array == [1, 2, 3])
      return thread
    }()
    let ended = try #require(thread)
    #expect(await becomesTrue { !ended.isAlive })
  }
}
