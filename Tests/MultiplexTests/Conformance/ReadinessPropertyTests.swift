import Multiplex
import SystemPackage
import TestSupport
import Testing

/// Random sequences of operations. After each, every backend reports for a dozen sockets what the kernel reports for
/// each of them by itself.
@Suite struct ReadinessPropertyTests {
  private struct Watch {
    var interest: Interest
    var mode: TriggerMode
    var isArmed = true
  }

  private struct Model {
    let poller: Poller
    let pairs: [(near: Socket, far: Socket)]
    var watches: [Int: Watch] = [:]
    var random: SeededGenerator

    init(backend: Poller.Backend, seed: UInt64) throws {
      poller = try Poller(backend: backend)
      pairs = try (0..<12).map { _ in try Socket.pair() }
      random = SeededGenerator(seed: seed)
    }

    mutating func step() throws {
      guard let index = pairs.indices.randomElement(using: &random) else { return }
      let (near, far) = pairs[index]
      switch Int.random(in: 0..<100, using: &random) {
      case 0..<35: try toggleOrModify(index, near)
      case 35..<60: try? far.fileDescriptor.put(Int.random(in: 1...200, using: &random))
      case 60..<80: _ = try? near.fileDescriptor.take(Int.random(in: 1...300, using: &random))
      case 80..<88: try? near.fileDescriptor.fill()
      case 88..<96: try? far.fileDescriptor.drain()
      case 96..<98: try? far.shutdown(.writing)
      case 98: try? far.shutdown(.both)
      default: try? near.shutdown(.writing)
      }
    }

    private mutating func toggleOrModify(_ index: Int, _ near: Socket) throws {
      let interest = Interest.combinations.randomElement(using: &random) ?? .read
      let mode: TriggerMode = Bool.random(using: &random) ? .level : .oneShot
      guard let watch = watches[index] else {
        try poller.register(near, for: interest, mode: mode, token: UInt64(index))
        watches[index] = Watch(interest: interest, mode: mode)
        return
      }
      switch Int.random(in: 0..<3, using: &random) {
      case 0:
        try poller.unregister(near)
        watches[index] = nil
      case 1:
        try poller.modify(near, for: interest)
        watches[index] = Watch(interest: interest, mode: watch.mode)
      default:
        try poller.modify(near, for: interest, mode: mode)
        watches[index] = Watch(interest: interest, mode: mode)
      }
    }

    /// What a wait should find, according to poll on each descriptor by itself. Disarms one-shot descriptors that it
    /// has reported.
    mutating func expected() -> [FileDescriptor: Readiness] {
      var expected: [FileDescriptor: Readiness] = [:]
      for (index, watch) in watches where watch.isArmed {
        let descriptor = pairs[index].near.fileDescriptor
        let readiness = kernelReadiness(of: descriptor, for: watch.interest)
        guard !readiness.isEmpty else { continue }
        expected[descriptor] = readiness
        if watch.mode == .oneShot { watches[index]?.isArmed = false }
      }
      return expected
    }
  }

  @Test(
    "after any sequence of operations every backend finds the readiness that the kernel reports",
    arguments: usableBackends,
    UInt64(1)...12)
  func sequences(backend: Poller.Backend, seed: UInt64) throws {
    var model = try Model(backend: backend, seed: seed)
    for step in 0..<300 {
      try model.step()
      let expected = model.expected()
      let found = try model.poller.found()
      try #require(found == expected, "seed \(seed), step \(step)")
    }
  }
}
