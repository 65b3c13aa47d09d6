import Multiplex
import MultiplexAsync
import TestSupport
import Testing

@Suite("Cancellation at any moment", .timeLimit(.minutes(3)))
struct CancellationPropertyTests {
  @Test(
    "a stream is received whole across cancelled reads, chunk handlers and deadlines", arguments: usableBackends, 1...12
  )
  func wholeStream(backend: Poller.Backend, seed: Int) async throws {
    var random = SeededGenerator(seed: UInt64(seed))
    let reactor = try Reactor(backend: backend)
    let peer = try await RawPeer(on: reactor, bufferSize: seed.isMultiple(of: 3) ? 4096 : nil)
    let connection = peer.connection
    let bytes = numbered(60_000)
    let sender = try peer.startOtherSide { socket in
      for piece in pieces(of: bytes, upTo: 500, seed: UInt64(seed) &* 77) {
        try socket.sendAll(piece, timeout: .seconds(100))
      }
    }
    var received: [UInt8] = []
    var isAtEnd = false
    while !isAtEnd {
      let kind = Int.random(in: 0..<6, using: &random)
      let count = Int.random(in: 1...700, using: &random)
      let patience = Duration.microseconds(Int.random(in: 0...200, using: &random))
      let isOnReactor = Bool.random(using: &random)
      let handled = Recorder<[UInt8]>()
      let read = Task(executorPreference: isOnReactor ? reactor : nil) {
        try await connection.read(ofKind: kind, count: count, patience: patience, handled: handled)
      }
      switch Int.random(in: 0..<4, using: &random) {
      case 0: read.cancel()
      case 1:
        await Task.yield()
        read.cancel()
      case 2:
        try await reactor.sleep(for: patience)
        read.cancel()
      default: break
      }
      let result = await read.result
      received += handled.elements.joined()
      switch result {
      case .success(let bytes?): received += bytes
      case .success(nil): isAtEnd = true
      case .failure(let error as ConnectionError):
        #expect([.cancelled, .endOfInput, .limitExceeded].contains(error.reason), "\(error)")
      case .failure(let error): #expect(error is DeadlineExceeded || error is CancellationError, "\(error)")
      }
    }
    #expect(received == bytes)
    try sender.join()
  }

  @Test("a stream is sent whole and in order across cancelled writes", arguments: usableBackends, 1...8)
  func wholeOutput(backend: Poller.Backend, seed: Int) async throws {
    var random = SeededGenerator(seed: UInt64(seed))
    let reactor = try Reactor(backend: backend)
    let peer = try await RawPeer(on: reactor, bufferSize: 4096)
    let connection = peer.connection
    connection.setWatermarks(Watermarks(low: 500, high: 2000))
    let receiver = try peer.startOtherSide { socket in
      var received: [UInt8] = []
      _ = try eventually(within: .seconds(100)) {
        while let bytes = try socket.receive(upTo: 3000) {
          if bytes.isEmpty { return true }
          received += bytes
        }
        return false
      }
      return received
    }
    var sent: [UInt8] = []
    for round in 0..<150 {
      let bytes = numbered(Int.random(in: 1...3000, using: &random) + round)
      let isTaken = Counter()
      let write = Task(executorPreference: Bool.random(using: &random) ? reactor : nil) {
        try await connection.write(bytes)
        isTaken.add()
      }
      switch Int.random(in: 0..<4, using: &random) {
      case 0: write.cancel()
      case 1:
        try await reactor.sleep(for: .microseconds(Int.random(in: 0...200, using: &random)))
        write.cancel()
      default: break
      }
      if case .failure(let error as ConnectionError) = await write.result { #expect(error.reason == .cancelled) }
      // Sent in any case: a cancelled write has been queued.
      sent += bytes
    }
    try await connection.closeWrite()
    #expect(try receiver.join() == sent)
  }

  @Test(
    "sleeps, waits and accepts all end, and only those that were cancelled are cancelled", arguments: usableBackends,
    1...8)
  func everythingEnds(backend: Poller.Backend, seed: Int) async throws {
    var random = SeededGenerator(seed: UInt64(seed))
    let reactor = try Reactor(backend: backend)
    let listener = try await Listener.bind(to: "127.0.0.1:0", on: reactor)
    let pipe = try PipeDescriptors()
    let reader = pipe.reader.fileDescriptor
    var tasks: [Task<Void, any Error>] = []
    var cancelled: Set<Int> = []
    for _ in 0..<300 {
      let microseconds = Int.random(in: 0...3000, using: &random)
      let preference = Bool.random(using: &random) ? reactor : nil
      switch Int.random(in: 0..<4, using: &random) {
      case 0:
        tasks.append(Task(executorPreference: preference) { try await reactor.sleep(for: .microseconds(microseconds)) })
      case 1:
        tasks.append(
          Task(executorPreference: preference) { _ = try await reactor.readiness(of: reader, for: .read) })
      case 2:
        tasks.append(Task(executorPreference: preference) { _ = try await listener.accept() })
      default:
        tasks.append(
          Task(executorPreference: preference) {
            try await withTimeout(.microseconds(microseconds), on: reactor) {
              _ = try await reactor.readiness(of: reader, for: .read)
            }
          })
      }
      if Bool.random(using: &random), let index = tasks.indices.randomElement(using: &random) {
        tasks[index].cancel()
        cancelled.insert(index)
      }
      if Int.random(in: 0..<20, using: &random) == 0 { await Task.yield() }
    }
    for index in tasks.indices.shuffled(using: &random) where Bool.random(using: &random) {
      tasks[index].cancel()
      cancelled.insert(index)
    }
    try pipe.writer.put("x")
    listener.close()
    for (index, task) in tasks.enumerated() {
      guard case .failure(let error) = await task.result else { continue }
      #expect(error is DeadlineExceeded || error is CancellationError && cancelled.contains(index), "\(error)")
    }
  }

  @Test(
    "connections whose servers and clients are cancelled at random leave no socket open", arguments: usableBackends,
    1...6)
  func noSocketLeft(backend: Poller.Backend, seed: Int) async throws {
    var random = SeededGenerator(seed: UInt64(seed))
    let reactor = try Reactor(backend: backend)
    let listener = try await Listener.bind(to: "127.0.0.1:0", on: reactor)
    let address = listener.localAddress
    let serving = Task { await listener.serve(echo) }
    let clients = (0..<60).map { number in
      Task(executorPreference: number.isMultiple(of: 2) ? reactor : nil) {
        let connection = try await Connection.connect(to: address, on: reactor, timeout: .seconds(30))
        for round in 0..<20 {
          let bytes = numbered(1 + round * 100)
          try await connection.write(bytes)
          let answer = try await connection.read(exactly: bytes.count)
          #expect(answer == bytes)
        }
        await connection.close()
      }
    }
    for client in clients.shuffled(using: &random).prefix(40) {
      try await reactor.sleep(for: .microseconds(Int.random(in: 0...300, using: &random)))
      client.cancel()
    }
    if seed.isMultiple(of: 2) { serving.cancel() } else { await listener.shutDown(within: .milliseconds(50)) }
    await serving.value
    listener.close()
    for client in clients { _ = await client.result }
    #expect(try await becomesTrue { try heldSockets(at: address) == 0 && heldSockets(to: address) == 0 })
  }
}

extension Connection {
  /// Reads in one of six ways.
  ///
  /// - Parameters:
  ///   - count: The number of bytes of an exact read, and the longest line.
  ///   - patience: The deadline of the reads that have one.
  ///   - handled: Records the chunks of those that are passed to a handler.
  /// - Returns: The other bytes; nil at the end of input.
  fileprivate func read(
    ofKind kind: Int, count: Int, patience: Duration, handled: Recorder<[UInt8]>
  ) async throws -> [UInt8]? {
    switch kind {
    case 0: return try await read()?.array
    case 1: return try await read(exactly: count)
    case 2: return try await readLine(limit: count)
    case 3: return try await withTimeout(patience, on: reactor) { try await self.read()?.array }
    default:
      // Kind 5 goes on until it is cancelled or the input ends.
      try await withTimeout(patience * 10, on: reactor) {
        try await self.forEachChunk { chunk, replies in
          handled.add(chunk.array)
          if kind == 4 { replies.end() }
        }
      }
      return kind == 4 && !handled.elements.isEmpty ? [] : nil
    }
  }
}
