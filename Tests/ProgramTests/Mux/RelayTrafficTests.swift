import Multiplex
import TestSupport
import Testing

/// `mux relay` under heavy traffic, between clients and a target that are played by the test.
@Suite("mux relay under heavy traffic")
struct RelayTrafficTests {
  #if DEBUG
    private static let bytesEachWay = 64 << 20
  #else
    private static let bytesEachWay = 1 << 30
  #endif
  private static let pairCount = 8

  @Test(
    "a relay forwards a gigabyte each way unchanged, in pieces of odd sizes and with half-closes at random",
    arguments: usableBackends)
  func gigabyte(backend: Poller.Backend) throws {
    var random = SeededGenerator(seed: 3)
    let ends = try Ends(backend)
    let up = parts(of: Self.bytesEachWay, using: &random)
    let down = parts(of: Self.bytesEachWay, using: &random)
    var peers: [StreamingPeer] = []
    for index in 0..<Self.pairCount {
      let (client, target) = try ends.connect()
      let upwards = StreamingPeer.Stream(seed: random.next(), length: up[index])
      let downwards = StreamingPeer.Stream(seed: random.next(), length: down[index])
      peers += [
        StreamingPeer(client.socket, sending: upwards, expecting: downwards, seed: random.next()),
        StreamingPeer(target.socket, sending: downwards, expecting: upwards, seed: random.next()),
      ]
    }
    try StreamingPeer.runAll(peers)
    #expect(peers.reduce(0) { $0 + $1.received } == 2 * Self.bytesEachWay)
    // The peers have shut down only their sending sides.
    #expect(eventually { ends.relay.process.openSockets == 1 })
  }

  @Test(
    "a relay's memory is bounded while one side reads nothing and the other sends without end",
    arguments: usableBackends)
  func slowSides(backend: Poller.Backend) throws {
    let ends = try Ends(backend)
    let pairs = try (0..<Self.pairCount).map { _ in try ends.connect() }
    // The memory that the first bytes take isn't counted.
    for (client, target) in pairs {
      try client.send("x")
      #expect(try target.receiveText(1) == "x")
    }
    let before = try ends.relay.process.residentKiB
    let limit = 64 << 20
    let bytes = numbered(limit)
    for (index, (client, target)) in pairs.enumerated() {
      let sender = index.isMultiple(of: 2) ? client : target
      #expect(try sender.fill(with: bytes, quietFor: .milliseconds(100)) < limit)
    }
    // For each pair: a queue of 256 KiB, in buffers that may be half empty, and what was read beyond that.
    #expect(try ends.relay.process.peakResidentKiB - before < Self.pairCount * 4096)
    withExtendedLifetime(pairs) {}
  }

  /// Returns random sizes that add up to `whole`; some may be small.
  private func parts(of whole: Int, using random: inout SeededGenerator) -> [Int] {
    let cuts = (1..<Self.pairCount).map { _ in Int.random(in: 0...whole, using: &random) }.sorted()
    return zip([0] + cuts, cuts + [whole]).map { $1 - $0 }
  }
}

/// A relay, and its target.
private struct Ends {
  private let listener: Socket
  let relay: MuxRelay

  init(_ backend: Poller.Backend) throws {
    listener = try Socket.listening(on: .ipv4(.loopback, port: 0))
    relay = try MuxRelay(to: "\(try listener.localAddress())", backend)
  }

  /// Connects a client, and accepts the relay's connection to the target.
  func connect() throws -> (client: EchoPeer, target: EchoPeer) {
    (try relay.connect(), try EchoPeer(acceptedBy: listener))
  }
}
