import Multiplex
import MultiplexAsync
import SystemPackage
import TestSupport
import Testing

/// Serialized, as some of these keep a processor busy.
@Suite("Fairness", .serialized, .timeLimit(.minutes(2)))
struct FairnessTests {
  /// How much a firehose may do between two messages of another connection: its share of 64 reads or writes, for a few
  /// turns.
  private static let bound = 400

  @Test("a peer that always has more to read doesn't starve other tasks", arguments: usableBackends)
  func firehoseReader(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    try await withFirehose(on: reactor) { input, reads in
      while let chunk = try await input.read() { reads.add(chunk.count > 0 ? 1 : 0) }
    } while: { reads in
      try await expectTurns(beside: reads, on: reactor)
    }
  }

  @Test("a flood of data for a chunk handler doesn't starve other tasks", arguments: usableBackends)
  func firehoseHandler(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    try await withFirehose(on: reactor) { input, chunks in
      try await input.forEachChunk { _, _ in chunks.add() }
    } while: { chunks in
      #expect(await becomesTrue { chunks.value > 1000 })
      let worst = try await reactor.run {
        try await Self.mostMeanwhile(chunks) { try await reactor.sleep(for: .zero) }
      }
      // A few turns, of 16 receives each.
      #expect(worst < Self.bound)
    }
  }

  /// Runs a body while a peer always has more to read.
  ///
  /// - Parameter take: Takes the received data to the end, on the reactor, and counts it.
  private func withFirehose(
    on reactor: Reactor, _ take: @escaping @Sendable (Connection, Counter) async throws -> Void,
    while body: (Counter) async throws -> Void
  ) async throws {
    let firehose = try await RawPeer(on: reactor)
    let isOver = Counter()
    let sender = try firehose.startOtherSide { socket in
      let bytes = numbered(1_000_000)
      while isOver.value == 0 { try socket.sendAll(bytes, timeout: .seconds(100)) }
    }
    let input = firehose.connection
    let taken = Counter()
    let taking = Task(executorPreference: reactor) { try await take(input, taken) }
    try await body(taken)
    isOver.add()
    try await taking.value
    try sender.join()
  }

  @Test("a writer whose peer takes everything doesn't starve other tasks", arguments: usableBackends)
  func firehoseWriter(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    let firehose = try await RawPeer(on: reactor)
    let receiver = try firehose.startOtherSide { socket in
      while true {
        do throws(MultiplexError) {
          while let bytes = try socket.receive(upTo: 1_000_000) {
            if bytes.isEmpty { return }
          }
        } catch {
          // The writer was cancelled with bytes unsent.
          if error.errno == .connectionReset { return }
          throw error
        }
      }
    }
    let output = firehose.connection
    let writes = Counter()
    let writing = Task(executorPreference: reactor) {
      while !Task.isCancelled {
        try await output.write([1, 2, 3, 4])
        writes.add()
      }
      await output.close()
    }
    try await expectTurns(beside: writes, on: reactor)
    writing.cancel()
    _ = await writing.result
    output.abort()
    try receiver.join()
  }

  /// The bytes that arrive at once are enough for many reads, none of which has to wait.
  @Test("reads of bytes that arrived long before don't starve other tasks", arguments: usableBackends)
  func readAhead(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    try await expectTurnsAmidReads(on: reactor) { input in try await input.readLine() != nil }
    try await expectTurnsAmidReads(on: reactor) { input in
      do throws(ConnectionError) {
        _ = try await input.read(exactly: 1)
        return true
      } catch {
        guard error.reason == .endOfInput else { throw error }
        return false
      }
    }
    try await expectTurnsAmidReads(on: reactor) { input in
      var byte: [UInt8] = [0]
      var memory = byte.mutableSpan
      return try await input.read(into: &memory) != nil
    }
  }

  /// - Parameter read: Reads one byte, which is a line; returns whether there was one.
  private func expectTurnsAmidReads(
    on reactor: Reactor, _ read: @escaping @Sendable (Connection) async throws -> Bool
  ) async throws {
    let peer = try await RawPeer(on: reactor)
    let input = peer.connection
    let lines = 30_000
    try peer.socket.sendAll([UInt8](repeating: UInt8(ascii: "\n"), count: lines), timeout: .seconds(100))
    try peer.socket.shutdown(.writing)
    let reads = Counter()
    let isOver = Counter()
    let others = Task(executorPreference: reactor) {
      var worst = 0
      while isOver.value == 0 {
        let before = reads.value
        try await reactor.sleep(for: .zero)
        worst = max(worst, reads.value - before)
      }
      return worst
    }
    try await reactor.run {
      defer { isOver.add() }
      while try await read(input) { reads.add() }
    }
    #expect(reads.value == lines)
    #expect(try await others.value <= Self.bound)
  }

  /// Messages go back and forth between two connections of the same reactor: each takes a turn or two.
  private func expectTurns(beside firehose: Counter, on reactor: Reactor) async throws {
    #expect(await becomesTrue { firehose.value > 1000 })
    let (near, far) = try Socket.pair()
    let left = try await Connection.adopt(near, on: reactor)
    let right = try await Connection.adopt(far, on: reactor)
    let answering = Task(executorPreference: reactor) { try await echo(right) }
    let asking = Task(executorPreference: reactor) {
      let worst = try await Self.mostMeanwhile(firehose) {
        try await left.write([3])
        _ = try await left.read(exactly: 1)
      }
      await left.close()
      return worst
    }
    #expect(try await asking.value <= Self.bound)
    try await answering.value
  }

  /// The most that was counted while something was done once, out of a hundred times.
  private static func mostMeanwhile(_ counter: Counter, _ body: () async throws -> Void) async throws -> Int {
    var worst = 0
    for _ in 0..<100 {
      let before = counter.value
      try await body()
      worst = max(worst, counter.value - before)
    }
    return worst
  }
}
