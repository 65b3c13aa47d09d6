import Multiplex
import SystemPackage
import TestSupport
import Testing

/// Submitting and completing, with operations that do nothing.
@Suite("Ring", .needsRing) struct RingTests {
  @Test("a submitted operation completes, with its token", arguments: [false, true])
  func roundTrip(isSingleIssuer: Bool) throws {
    var ring = try Ring(isSingleIssuer: isSingleIssuer)
    for token in [0, 1, UInt64.max] {
      try ring.prepare(.nop(token: token))
      let completions = try ring.complete(1)
      #expect(completions.map(\.token) == [token])
      #expect(completions.map(\.result) == [0])
      #expect(completions.allSatisfy { $0.errno == nil && !$0.hasMore && $0.buffer == nil })
    }
  }

  @Test("nothing is submitted before submit is called, and then everything is")
  func submission() throws {
    var ring = try Ring(entries: 8)
    for token in 0..<UInt64(5) { try ring.prepare(.nop(token: token)) }
    let before = (ring.preparedCount, ring.completionCount)
    #expect(before == (5, 0))
    let taken = try ring.submit()
    #expect(taken == 5)
    let after = (ring.preparedCount, ring.completionCount)
    #expect(after == (0, 5))
    let again = try ring.submit()
    #expect(again == 0)
  }

  @Test("a success can be skipped, a failure never is")
  func skipped() throws {
    var ring = try Ring()
    try ring.prepare(.nop(token: 1).skippingSuccess())
    try ring.prepare(.nop(token: 2))
    // There is nothing to cancel.
    try ring.prepare(.cancel(99, token: 3).skippingSuccess())
    let completions = try ring.complete(2)
    #expect(completions.map(\.token) == [2, 3])
    #expect(completions.map(\.errno) == [nil, .noSuchFileOrDirectory])
  }

  @Test("a full submission queue submits by itself")
  func fullSubmissionQueue() throws {
    var ring = try Ring(entries: 4, completions: 64)
    for token in 0..<UInt64(20) { try ring.prepare(.nop(token: token)) }
    #expect(ring.completionCount >= 16)
    let tokens = try ring.complete(20).map(\.token)
    #expect(tokens == Array(0..<20))
  }

  @Test("more completions than there is room for are kept, in order", arguments: [false, true])
  func overflow(isSingleIssuer: Bool) throws {
    var ring = try Ring(entries: 4, completions: 4, isSingleIssuer: isSingleIssuer)
    var tokens: [UInt64] = []
    for token in 0..<UInt64(200) {
      do {
        try ring.prepare(.nop(token: token))
      } catch {
        guard error.errno == .resourceBusy else { throw error }
        // Older kernels accept nothing more until there is room.
        while let completion = ring.nextCompletion() { tokens.append(completion.token) }
        try ring.prepare(.nop(token: token))
      }
    }
    tokens += try ring.complete(200 - tokens.count).map(\.token)
    #expect(tokens == Array(0..<200))
    let rest = try ring.completeNow()
    #expect(rest.isEmpty)
  }

  @Test("a ring performs many more operations than it has room for", arguments: [false, true])
  func manyOperations(isSingleIssuer: Bool) throws {
    var ring = try Ring(entries: 8, isSingleIssuer: isSingleIssuer)
    var next: UInt64 = 0
    var expected: UInt64 = 0
    var random = SeededGenerator(seed: 4)
    while next < 50_000 {
      for _ in 0..<Int.random(in: 1...8, using: &random) {
        try ring.prepare(.nop(token: next))
        next += 1
      }
      try ring.submitAndWait(for: Int(next - expected))
      while let completion = ring.nextCompletion() {
        try #require(completion.token == expected)
        expected += 1
      }
    }
    #expect(expected == next)
  }

  @Test("sizes are rounded up to a power of two, and rejected if there is none")
  func sizes() throws {
    for (entries, capacity) in [(1, 1), (3, 4), (100, 128), (256, 256)] {
      let ring = try Ring(entries: entries)
      #expect(ring.capacity == capacity)
    }
    for entries in [Int.min, 0, 32_769, .max] {
      let error = #expect(throws: MultiplexError.self) { _ = try Ring(entries: entries) }
      #expect(error?.reason == .invalidArgument)
      #expect(error?.description.contains("\(entries)") == true)
    }
    for completions in [Int.min, 0, 15, 65_537, .max] {
      let error = #expect(throws: MultiplexError.self) { _ = try Ring(entries: 16, completions: completions) }
      #expect(error?.reason == .invalidArgument)
      #expect(error?.description.contains("\(completions)") == true)
    }
  }
}
