import Multiplex
import MultiplexAsync
import TestSupport
import Testing

@Suite("Writes of every kind", .timeLimit(.minutes(2)))
struct WritingPropertyTests {
  /// The peer has finished sending at a random moment, and takes the bytes in pieces of random sizes, sometimes none for
  /// a while. So the writes are sent at once, gathered, queued and resumed in every order.
  @Test(
    "writes, posts and chunks arrive whole and in order at a slow peer that may have finished sending",
    arguments: usableBackends, 1...8 as ClosedRange<UInt64>)
  func mixed(backend: Poller.Backend, seed: UInt64) async throws {
    let reactor = try Reactor(backend: backend)
    let peer = try await RawPeer(on: reactor, bufferSize: seed.isMultiple(of: 2) ? 16_384 : nil)
    let source = try await RawPeer(on: reactor)
    let (input, output) = (source.connection, peer.connection)
    let reading = try peer.startOtherSide { try $0.takeReluctantly(seed: seed) }
    let sending = try source.startOtherSide { try $0.sendAll(numbered(1_000_000), timeout: .seconds(100)) }
    let expected = try await reactor.run {
      var random = SeededGenerator(seed: seed)
      var expected: [UInt8] = []
      while expected.count < 3_000_000 {
        let bytes = numbered(Int.random(in: 1...(Bool.random(using: &random) ? 100 : 50_000), using: &random))
        switch Int.random(in: 0..<5, using: &random) {
        case 0:
          try await output.write(bytes)
          expected += bytes
        case 1:
          output.post(bytes, limit: .max)
          expected += bytes
        case 2:
          try await output.write(vectored: [bytes, [1, 2, 3], bytes])
          expected += bytes + [1, 2, 3] + bytes
        case 3: await Task.yield()
        default:
          guard let chunk = try await input.read() else { continue }
          expected += chunk.array
          try await output.write(chunk)
        }
      }
      try await output.closeWrite()
      return expected
    }
    let isWhole = try reading.join() == expected
    #expect(isWhole)
    _ = try sending.join()
  }
}

extension Socket {
  /// Takes everything up to the end of input, in pieces of random sizes, and finishes sending at a random moment.
  fileprivate func takeReluctantly(seed: UInt64) throws -> [UInt8] {
    var random = SeededGenerator(seed: seed + 1000)
    var taken: [UInt8] = []
    let end = Int.random(in: 0..<2_000_000, using: &random)
    var hasFinished = false
    while true {
      if !hasFinished, taken.count >= end {
        try shutdown(.writing)
        hasFinished = true
      }
      if Int.random(in: 0..<20, using: &random) == 0 { _ = try? select(timeout: .milliseconds(2)) }
      _ = try select(reading: [self], timeout: .seconds(60))
      guard let bytes = try receive(upTo: Int.random(in: 1...100_000, using: &random)) else { continue }
      guard !bytes.isEmpty else { return taken }
      taken += bytes
    }
  }
}
