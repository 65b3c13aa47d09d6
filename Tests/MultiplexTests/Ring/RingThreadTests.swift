import CMultiplex
import Multiplex
import SystemPackage
import TestSupport
import Testing

/// Which threads may use a ring.
@Suite("Ring, threads", .needsRing) struct RingThreadTests {
  @Test("a ring can be used by one thread after another")
  func severalThreads() throws {
    let ring = try SharedRing(isSingleIssuer: false)
    for token in 0..<UInt64(5) {
      let tokens = try SecondParty { try ring.roundTrip(token: token) }.join()
      #expect(tokens == [token])
    }
    let tokens = try ring.roundTrip(token: 9)
    #expect(tokens == [9])
  }

  @Test("the single issuer can be another thread than the one that made the ring")
  func madeElsewhere() throws {
    let ring = try SharedRing(isSingleIssuer: true)
    let tokens = try SecondParty { try ring.roundTrip(token: 1) }.join()
    #expect(tokens == [1])
  }

  @Test("a single-issuer ring refuses a second thread, with advice, also if the first has ended")
  func singleIssuer() throws {
    let ring = try SharedRing(isSingleIssuer: true)
    _ = try SecondParty { try ring.roundTrip(token: 1) }.join()
    // A later thread may have the first one's place in memory, and with it its identifier.
    for _ in 0..<5 {
      let second = SecondParty { try ring.roundTrip(token: 2) }
      let error = #expect(throws: MultiplexError.self) { try second.join() }
      #expect(error?.errno == .fileExists)
      #expect(error?.call == "io_uring_enter")
      #expect(error?.advice?.contains("thread that first submitted") == true)
    }
  }

  @Test("no ring is given the buffers of one that ended on another thread than its own, since the kernel kept them")
  func groupOfRingThatEndedElsewhere() throws {
    let group = try BufferGroup(id: 3, capacity: 4, bufferSize: 16)
    let ring = try SharedRing(isSingleIssuer: true)
    try #require(ring.setup & cmx_SETUP_SINGLE_ISSUER != 0)
    try ring.register(group)
    for buffer in 0..<UInt16(4) { group.provide(buffer) }
    _ = try SecondParty { try ring.roundTrip(token: 1) }.join()
    try ring.startOver()
    #expect(refusal { () throws(MultiplexError) in try ring.register(group) } == .alreadyRegistered)
  }
}
