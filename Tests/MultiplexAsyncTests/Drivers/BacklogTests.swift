#if MULTIPLEX_FAULTS
  import Multiplex
  import MultiplexAsync
  import SystemPackage
  import TestSupport
  import Testing

  @Suite("More submissions than the kernel has room for", .timeLimit(.minutes(1)))
  struct BacklogTests {
    /// The kernel refuses two submissions, as it may for lack of memory, while there is more to submit than it has room
    /// for.
    @Test(
      "submissions that the kernel had no room for are submitted even if nothing else happens",
      .enabled(if: Reactor.automaticBackend == .ioUring))
    func backlog() async throws {
      try OpenFileLimit.raise()
      let reactor = try Reactor(backend: .ioUring)
      var peers: [RawPeer] = []
      for _ in 0..<1100 { peers.append(try await RawPeer(on: reactor, bufferSize: 65_536)) }
      let connections = peers.map(\.connection)
      let plan = FaultPlan(seed: 6, oneIn: 2, faults: [.io_uring_enter: [.resourceTemporarilyUnavailable]])
      let writing = Task(executorPreference: reactor) {
        try await FaultPlan.$current.withValue(plan) {
          for connection in connections { try await connection.write([1]) }
          _ = try await connections[0].read()
        }
      }
      let last = peers[peers.count - 1].socket
      #expect(try await becomesTrue(within: .seconds(10)) { try last.receive(upTo: 1) == [1] })
      #expect(plan.injected >= 2)
      writing.cancel()
      _ = await writing.result
    }
  }
#endif
