import Multiplex
import MultiplexAsync
import TestSupport
import Testing

@Suite("Relaying both ways", .timeLimit(.minutes(2)))
struct RelayingTests {
  /// Two connections, one of which may belong to another reactor.
  private struct Ends {
    let left: RawPeer
    let right: RawPeer

    init(on backend: Poller.Backend, areApart: Bool = false) async throws {
      let reactor = try Reactor(backend: backend)
      left = try await RawPeer(on: reactor)
      right = try await RawPeer(on: areApart ? try Reactor(backend: backend) : reactor)
    }

    func relay() -> Task<Void, any Error> {
      let (left, right) = (left.connection, right.connection)
      return Task { try await left.relay(with: right) }
    }
  }

  @Test("each peer gets what the other sends, and its end", arguments: usableBackends, [false, true])
  func toTheEnd(backend: Poller.Backend, areApart: Bool) async throws {
    let ends = try await Ends(on: backend, areApart: areApart)
    let relaying = ends.relay()
    let (question, answer) = (numbered(300_000), numbered(2_000_000))
    let asking = try ends.left.startSending(question)
    #expect(try await ends.right.takeAll() == question)
    // One direction has ended, and the other goes on.
    let answering = try ends.right.startSending(answer)
    #expect(try await ends.left.takeAll() == answer)
    try await relaying.value
    try asking.join()
    try answering.join()
    await ends.left.connection.close()
    await ends.right.connection.close()
  }

  @Test("when one side is reset or closed, the relay ends with that error", arguments: usableBackends, [false, true])
  func broken(backend: Poller.Backend, isOurDoing: Bool) async throws {
    let ends = try await Ends(on: backend)
    let relaying = ends.relay()
    try ends.left.socket.sendAll([1])
    #expect(try await ends.right.take(1) == [1])
    if isOurDoing { ends.right.connection.abort() } else { try ends.right.reset() }
    let error = await #expect(throws: ConnectionError.self) { try await relaying.value }
    #expect(error?.reason == (isOurDoing ? .closed : .reset))
    #expect(error?.peer == ends.right.connection.peerAddress)
    // The other one can still be used.
    try await ends.left.connection.write("x")
    #expect(try await ends.left.take(1) == Array("x".utf8))
  }

  @Test("cancelling the task ends both directions, and leaves the connections usable", arguments: usableBackends)
  func cancelled(backend: Poller.Backend) async throws {
    let ends = try await Ends(on: backend)
    let relaying = ends.relay()
    try ends.left.socket.sendAll([1])
    #expect(try await ends.right.take(1) == [1])
    relaying.cancel()
    #expect(await reason { try await relaying.value } == .cancelled)
    try ends.left.socket.sendAll([2])
    #expect(try await ends.left.connection.read(exactly: 1) == [2])
    try ends.right.socket.sendAll([3])
    #expect(try await ends.right.connection.read(exactly: 1) == [3])
  }
}

extension RawPeer {
  /// Sends bytes and the end of input from the plain socket, on its own thread.
  fileprivate func startSending(_ bytes: [UInt8]) throws -> SecondParty<Void> {
    try startOtherSide(shuttingDown: .writing) { try $0.sendAll(bytes, timeout: .seconds(100)) }
  }
}
