import Multiplex
import MultiplexAsync
import SystemPackage
import TestSupport
import Testing

@Suite("Forwarding", .timeLimit(.minutes(3)))
struct ForwardingTests {
  @Test("bulk data is forwarded whole and counted, whichever side is slower", arguments: usableBackends, [true, false])
  func bulk(backend: Poller.Backend, isOverTCP: Bool) async throws {
    let ends = try await Ends(on: backend, bufferSize: isOverTCP ? nil : 100_000)
    let bytes = numbered(8 << 20)
    let sender = try ends.source.startOtherSide { socket in
      for piece in pieces(of: bytes, upTo: 600_000, seed: 1) { try socket.sendAll(piece, timeout: .seconds(100)) }
    }
    let counted = Recorder<Int>()
    let forwarding = ends.forward { counted.add($0) }
    // Nothing is taken for a while, so everything on the way fills up.
    #expect(await becomesTrue { counted.elements.count > 1 })
    #expect(try await ends.destination.take(bytes.count) == bytes)
    try sender.join()
    #expect(try await forwarding.value == bytes.count)
    #expect(counted.elements.reduce(0, +) == bytes.count)
    // The end is not passed on.
    try await ends.destination.connection.write("more")
    #expect(try await ends.destination.take(4) == Array("more".utf8))
  }

  @Test("messages are forwarded one by one, also in a task on another executor", arguments: usableBackends)
  func messages(backend: Poller.Backend) async throws {
    let ends = try await Ends(on: backend)
    let (source, destination) = (ends.source.connection, ends.destination.connection)
    let forwarding = Task { try await source.forward(to: destination) }
    for size in [1, 1000, 65_536, 65_537, 3] {
      try ends.source.socket.sendAll(numbered(size), timeout: .seconds(100))
      #expect(try await ends.destination.take(size) == numbered(size))
    }
    try ends.source.socket.shutdown(.writing)
    #expect(try await forwarding.value == 132_077)
  }

  @Test("bytes read ahead, and bytes already queued, go first", arguments: usableBackends)
  func order(backend: Poller.Backend) async throws {
    let ends = try await Ends(on: backend)
    let bytes = numbered(4 << 20)
    let sender = try ends.source.startOtherSide { try $0.sendAll(Array("line\n".utf8) + bytes, timeout: .seconds(100)) }
    #expect(try await ends.source.connection.readLine() == Array("line\n".utf8))
    let queued = [UInt8](repeating: 9, count: 6 << 20)
    ends.destination.connection.setWatermarks(Watermarks(low: 0, high: 64 << 20))
    try await ends.destination.connection.write(queued)
    let forwarding = ends.forward()
    #expect(try await ends.destination.take(queued.count) == queued)
    #expect(try await ends.destination.take(bytes.count) == bytes)
    try sender.join()
    #expect(try await forwarding.value == bytes.count)
  }

  @Test("out-of-band data in the middle, where a splice stops, doesn't hold forwarding up", arguments: usableBackends)
  func urgent(backend: Poller.Backend) async throws {
    let ends = try await Ends(on: backend)
    let piece = numbered(1 << 20)
    let sender = try ends.source.startOtherSide { socket in
      try socket.sendAll(piece, timeout: .seconds(100))
      _ = try select(writing: [socket], timeout: .seconds(100))
      // Only one: a second would make it an ordinary byte.
      try socket.fileDescriptor.putUrgent()
      try socket.sendAll(piece, timeout: .seconds(100))
    }
    let forwarding = ends.forward()
    let isWhole = try await ends.destination.take(2 << 20) == piece + piece
    #expect(isWhole)
    try sender.join()
    #expect(try await forwarding.value == 2 << 20)
  }

  @Test(
    "forwarded bytes that wait for room count as queued, and the peer learns of their loss",
    arguments: usableBackends)
  func waitsForRoom(backend: Poller.Backend) async throws {
    let ends = try await Ends(on: backend)
    let sender = try ends.source.startOtherSide { try $0.sendUntilBroken() }
    let forwarding = ends.forward()
    let destination = ends.destination
    #expect(await becomesTrue { await destination.connection.queuedCount > 0 })
    destination.connection.abort()
    #expect(await becomesTrue { kernelReadiness(of: destination.socket.fileDescriptor, for: .read).contains(.error) })
    #expect(await reason { _ = try await forwarding.value } == .closed)
    ends.source.connection.abort()
    try sender.join()
  }

  @Test("forwarding between two reactors copies the bytes", arguments: usableBackends)
  func twoReactors(backend: Poller.Backend) async throws {
    let source = try await RawPeer(on: try Reactor(backend: backend))
    let destination = try await RawPeer(on: try Reactor(backend: backend))
    let bytes = numbered(2 << 20)
    let sender = try source.startOtherSide { try $0.sendAll(bytes, timeout: .seconds(100)) }
    let forwarding = Task { [source = source.connection, destination = destination.connection] in
      try await source.forward(to: destination)
    }
    #expect(try await destination.take(bytes.count) == bytes)
    try sender.join()
    #expect(try await forwarding.value == bytes.count)
  }

  @Test("forwarding that is cancelled at any moment sends everything it has taken", arguments: usableBackends, 1...10)
  func cancelled(backend: Poller.Backend, seed: Int) async throws {
    var random = SeededGenerator(seed: UInt64(seed))
    let ends = try await Ends(on: backend)
    let bytes = numbered(6 << 20)
    let sender = try ends.source.startOtherSide { try $0.sendAll(bytes, timeout: .seconds(100)) }
    let receiver = try ends.destination.startOtherSide { socket in
      var received: [UInt8] = []
      while received.count < bytes.count {
        _ = try select(reading: [socket], timeout: .seconds(100))
        guard let more = try socket.receive(upTo: 100_000), !more.isEmpty else { break }
        received += more
      }
      return received
    }
    var isDone = false
    while !isDone {
      let forwarding = ends.forward()
      try await ends.reactor.sleep(for: .microseconds(Int.random(in: 0...3000, using: &random)))
      forwarding.cancel()
      do {
        _ = try await forwarding.value
        isDone = true
      } catch {
        #expect((error as? ConnectionError)?.reason == .cancelled)
      }
    }
    try sender.join()
    let isWhole = try receiver.join() == bytes
    #expect(isWhole)
  }

  @Test("a destination that goes away during forwarding is a write error, without a signal", arguments: usableBackends)
  func destinationGone(backend: Poller.Backend) async throws {
    for isReset in [true, false] {
      let ends = try await Ends(on: backend)
      let sender = try ends.source.startOtherSide { try $0.sendUntilBroken() }
      let forwarding = ends.forward()
      _ = try await ends.destination.take(1 << 20)
      if isReset { try ends.destination.reset() } else { ends.destination.socket.close() }
      let error = await #expect(throws: ConnectionError.self) { try await forwarding.value }
      #expect(error?.reason == .reset)
      #expect(error?.operation == .write)
      #expect(error?.peer == ends.destination.connection.peerAddress)
      // The other connection is unaffected.
      #expect(try await ends.source.connection.read(exactly: 1) == [1])
      ends.source.connection.abort()
      try sender.join()
    }
  }

  /// Where the kernel has edges, it reports this once, when nothing is waiting for it.
  @Test("a destination that goes away between two bulk transfers fails the second", arguments: usableBackends)
  func destinationGoneBetween(backend: Poller.Backend) async throws {
    let ends = try await Ends(on: backend)
    let bytes = numbered(1 << 20)
    let isReset = Counter()
    let sender = try ends.source.startOtherSide { source in
      try source.sendAll(bytes, timeout: .seconds(100))
      _ = eventually { isReset.value == 1 }
      // No more than that, so that only the failure can end it.
      try source.sendAll(bytes.prefix(100_000) + [], timeout: .seconds(100))
      _ = try source.receive(upTo: 1)
    }
    let forwarding = ends.forward()
    #expect(try await ends.destination.take(bytes.count) == bytes)
    try ends.destination.reset()
    // The reactor knows about it by then.
    for _ in 0..<3 { await ends.reactor.run { await Task.yield() } }
    isReset.add()
    let error = await #expect(throws: ConnectionError.self) { try await forwarding.value }
    #expect(error?.reason == .reset)
    #expect(error?.peer == ends.destination.connection.peerAddress)
    ends.source.connection.abort()
    try sender.join()
  }

  @Test(
    "forwarded and written bytes are sent whole and in order to a slow peer",
    arguments: usableBackends, 1...3 as ClosedRange<UInt64>)
  func besideAnotherWriter(backend: Poller.Backend, seed: UInt64) async throws {
    let ends = try await Ends(on: backend, bufferSize: 20_000)
    let destination = ends.destination.connection
    destination.setWatermarks(Watermarks(low: 0, high: 0))
    let count = 1_000_000
    let sender = try ends.source.startOtherSide { socket in
      for piece in pieces(of: numbered(count).map { $0 | 0x80 }, upTo: 6000, seed: seed) {
        try socket.sendAll(piece, timeout: .seconds(100))
      }
    }
    let forwarding = ends.forward()
    let writing = Task(executorPreference: ends.reactor) {
      for piece in pieces(of: numbered(count).map { $0 & 0x7f }, upTo: 6000, seed: seed + 100) {
        try await destination.write(piece)
      }
    }
    let received = try await ends.destination.take(2 * count)
    #expect(received.filter { $0 < 0x80 } == numbered(count).map { $0 & 0x7f })
    #expect(received.filter { $0 >= 0x80 } == numbered(count).map { $0 | 0x80 })
    try sender.join()
    try await writing.value
    #expect(try await forwarding.value == count)
  }

  @Test(
    "a source that is closed while the destination has no room is reported as such", arguments: usableBackends)
  func sourceIsClosed(backend: Poller.Backend) async throws {
    let ends = try await Ends(on: backend)
    ends.destination.connection.setWatermarks(Watermarks(low: 0, high: 0))
    let forwarding = ends.forward()
    let sending = try ends.source.startOtherSide { try $0.sendUntilBroken() }
    #expect(await becomesTrue { await ends.destination.connection.queuedCount > 0 })
    ends.source.connection.abort()
    let error = await #expect(throws: ConnectionError.self) { try await forwarding.value }
    #expect(error?.reason == .closed)
    #expect(error?.operation == .read)
    #expect(error?.peer == ends.source.connection.peerAddress)
    try sending.join()
  }

  @Test("a source that is reset after bulk data is reported as such", arguments: usableBackends)
  func sourceReset(backend: Poller.Backend) async throws {
    let ends = try await Ends(on: backend)
    let bytes = numbered(1 << 20)
    let forwarding = ends.forward()
    var rest = bytes[...]
    let isSent = try await becomesTrue {
      rest = rest.dropFirst(try ends.source.socket.send(Array(rest)) ?? 0)
      return rest.isEmpty
    }
    #expect(isSent)
    #expect(try await ends.destination.take(bytes.count) == bytes)
    try ends.source.reset()
    let error = await #expect(throws: ConnectionError.self) { try await forwarding.value }
    #expect(error?.reason == .reset)
    #expect(error?.operation == .read)
    #expect(error?.peer == ends.source.connection.peerAddress)
  }

  @Test("progress counts bytes once they have found room", arguments: usableBackends)
  func progressAfterRoom(backend: Poller.Backend) async throws {
    let ends = try await Ends(on: backend, bufferSize: 4096)
    ends.destination.connection.setWatermarks(Watermarks(low: 0, high: 0))
    let counted = Recorder<Int>()
    let forwarding = ends.forward { counted.add($0) }
    let bytes = numbered(60_000)
    let sender = try ends.source.startOtherSide { socket in
      try socket.sendAll(bytes, timeout: .seconds(100))
      try socket.shutdown(.writing)
    }
    // Everything has been read by then, and is queued or sent.
    #expect(await becomesTrue { sender.isDone })
    #expect(await becomesTrue { await ends.destination.connection.queuedCount > 0 })
    #expect(counted.elements.reduce(0, +) < bytes.count)
    #expect(try await ends.destination.take(bytes.count) == bytes)
    #expect(try await forwarding.value == bytes.count)
    #expect(counted.elements.reduce(0, +) == bytes.count)
  }

  /// Its number may be another file's at once.
  @Test("a source that is closed by its progress handler is no longer read", arguments: usableBackends)
  func closedByProgress(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    let (source, number) = try await finishedSource(of: [UInt8](repeating: 0, count: 60_000), on: reactor)
    let destination = try await RawPeer(on: reactor, bufferSize: 4096)
    destination.connection.setWatermarks(Watermarks(low: 0, high: 0))
    let (other, peer) = try Socket.pair()
    let otherDescriptor = other.fileDescriptor
    try peer.sendAll([UInt8](repeating: 0xff, count: 10))
    let hasBecomeOther = Counter()
    let forwarding = Task { [destination = destination.connection] in
      try await source.forward(to: destination) { _ in
        source.abort()
        // The ring closes it later.
        guard !Kernel.isOpen(number.rawValue), (try? number.become(otherDescriptor)) != nil else { return }
        hasBecomeOther.add()
      }
    }
    #expect(await becomesTrue { await destination.connection.queuedCount > 0 })
    // Progress is reported once what was read has found room.
    let receiver = try destination.startOtherSide { socket in
      var received: [UInt8] = []
      while !(try select(reading: [socket], timeout: .seconds(100)).isEmpty) {
        guard let more = try socket.receive(upTo: 65_536), !more.isEmpty else { break }
        received += more
      }
      return received
    }
    let error = await #expect(throws: ConnectionError.self) { try await forwarding.value }
    #expect(error?.reason == .closed)
    await destination.connection.close()
    #expect(try receiver.join().allSatisfy { $0 == 0 })
    if hasBecomeOther.value == 1 { try number.close() }
    withExtendedLifetime((other, peer)) {}
  }

  /// A connection to which a peer has sent bytes and then the end of input, under a number that no other test gets.
  private func finishedSource(
    of bytes: [UInt8], on reactor: Reactor
  ) async throws -> (connection: Connection, number: FileDescriptor) {
    let (near, far) = try connectedPair()
    let number = try OwnedDescriptor(duplicating: near.fileDescriptor).renumbered().release()
    near.close()
    let connection = try await Connection.adopt(Socket(adopting: OwnedDescriptor(adopting: number)), on: reactor)
    try far.sendAll(bytes, timeout: .seconds(100))
    try far.shutdown(.writing)
    // All of it, and its end, have arrived by then.
    #expect(await becomesTrue { kernelReadiness(of: number, for: .read).contains(.readClosed) })
    return (connection, number)
  }

  #if MULTIPLEX_FAULTS
    // Not where the kernel has edges: none follows a read that was cut short, and those of a fault plan are cut short
    // too.
    @Test(
      "without descriptors for pipes, forwarding copies the bytes",
      arguments: usableBackends.filter { $0.emulatedModes.contains(.edge) })
    func withoutPipes(backend: Poller.Backend) async throws {
      let plan = FaultPlan(seed: 1, oneIn: 1, faults: [.pipe2: [.tooManyOpenFiles]])
      let ends = try await Ends(on: backend)
      let bytes = numbered(4 << 20)
      let sender = try ends.source.startOtherSide { try $0.sendAll(bytes, timeout: .seconds(100)) }
      let forwarding = FaultPlan.$current.withValue(plan) { ends.forward() }
      #expect(try await ends.destination.take(bytes.count) == bytes)
      try sender.join()
      #expect(try await forwarding.value == bytes.count)
      #expect(plan.count(of: .splice) == 0)
    }

    @Test("forwarded bulk data doesn't leave the kernel", arguments: usableBackends)
    func spliced(backend: Poller.Backend) async throws {
      let plan = FaultPlan(seed: 1, oneIn: .max, faults: [:])
      let ends = try await Ends(on: backend)
      let bytes = numbered(16 << 20)
      let sender = try ends.source.startOtherSide { try $0.sendAll(bytes, timeout: .seconds(100)) }
      let forwarding = FaultPlan.$current.withValue(plan) { ends.forward() }
      #expect(try await ends.destination.take(bytes.count) == bytes)
      try sender.join()
      _ = try await forwarding.value
      #expect(plan.count(of: .splice) > 0)
    }
  #endif
}

/// Two connections of one reactor. What is received on one is forwarded to the other.
private struct Ends {
  let reactor: Reactor
  let source: RawPeer
  let destination: RawPeer

  init(on backend: Poller.Backend, bufferSize: Int32? = nil) async throws {
    reactor = try Reactor(backend: backend)
    source = try await RawPeer(on: reactor, bufferSize: bufferSize)
    destination = try await RawPeer(on: reactor, bufferSize: bufferSize)
  }

  func forward(progress: (@Sendable (Int) -> Void)? = nil) -> Task<Int, any Error> {
    Task(executorPreference: reactor) { [source = source.connection, destination = destination.connection] in
      try await source.forward(to: destination, progress: progress)
    }
  }
}

extension Socket {
  /// Sends until the other side closes.
  fileprivate func sendUntilBroken() throws {
    while let count = try? send([UInt8](repeating: 1, count: 1 << 20)) ?? 0 {
      guard count == 0 else { continue }
      guard try !select(writing: [self], timeout: .seconds(100)).isEmpty else { return }
    }
  }
}
