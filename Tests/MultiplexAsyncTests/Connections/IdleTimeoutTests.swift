import Multiplex
import MultiplexAsync
import SystemPackage
import TestSupport
import Testing

@Suite("An idle timeout", .timeLimit(.minutes(2)))
struct IdleTimeoutTests {
  @Test("an idle timeout closes a connection without traffic, and not early", arguments: usableBackends)
  func idle(backend: Poller.Backend) async throws {
    let observer = RecordingObserver(.connections)
    let peer = try await RawPeer(on: try Reactor(backend: backend, observer: observer))
    let start = ContinuousClock.now
    peer.connection.setIdleTimeout(.milliseconds(100))
    #expect(await reason { _ = try await peer.connection.read() } == .timedOut)
    #expect(ContinuousClock.now - start >= .milliseconds(100))
    #expect(await becomesTrue { peer.isGone })
    #expect(observer.closed.map(\.reason.description) == ["idle"])
    #expect(await reason { try await peer.connection.write("x") } == .timedOut)
  }

  @Test("an idle timeout starts over with every byte that is received or sent", arguments: usableBackends)
  func activity(backend: Poller.Backend) async throws {
    let peer = try await RawPeer(on: try Reactor(backend: backend))
    let connection = peer.connection
    let limit = Duration.milliseconds(200)
    var lastByte = ContinuousClock.now
    connection.setIdleTimeout(limit)
    let outcome = await reason {
      for isReceiving in Array(repeating: [true, false], count: 10).joined() {
        // Taken before the transfer: on a busy machine that takes a while, and the timeout may expire.
        let now = ContinuousClock.now
        if isReceiving {
          try peer.socket.sendAll([1])
          #expect(try await connection.read(exactly: 1) == [1])
        } else {
          try await connection.write([1])
        }
        lastByte = now
        try await Task.sleep(for: .milliseconds(30))
      }
      _ = try await connection.read()
    }
    #expect(outcome == .timedOut)
    #expect(ContinuousClock.now - lastByte >= limit)
  }

  @Test(
    "an idle timeout closes a connection whose peer takes nothing, though much is queued", arguments: usableBackends)
  func stuck(backend: Poller.Backend) async throws {
    let peer = try await RawPeer(on: try Reactor(backend: backend), bufferSize: 4096)
    try await peer.connection.write(numbered(60_000))
    #expect(await peer.connection.queuedCount > 0)
    peer.connection.setIdleTimeout(.milliseconds(50))
    #expect(await reason { try await peer.connection.flush() } == .timedOut)
    #expect(await peer.connection.queuedCount == 0)
  }

  @Test(
    "an idle timeout spares a connection as long as its peer takes what the kernel holds", arguments: usableBackends)
  func slowPeer(backend: Poller.Backend) async throws {
    let peer = try await RawPeer(on: try Reactor(backend: backend), bufferSize: 200_000)
    let connection = peer.connection
    // The kernel has all of it from the beginning, in pieces that are taken one by one: nothing on this side transfers
    // bytes any more.
    for _ in 0..<40 {
      try await connection.write(numbered(1000))
      try await connection.flush()
    }
    let limit = Duration.milliseconds(400)
    var last = ContinuousClock.now
    connection.setIdleTimeout(limit)
    let reading = Task { await reason { _ = try await connection.read() } }
    for _ in 0..<40 {
      try await Task.sleep(for: .milliseconds(30))
      // Checked before the peer takes more: after the last piece nothing is left that would spare the connection.
      let isGone = peer.isGone
      let taken = try peer.socket.receive(upTo: 1000)
      let pause = ContinuousClock.now - last
      last = .now
      // On a machine that is too busy the peer really has taken nothing for too long.
      guard pause < limit else { break }
      #expect(taken == numbered(1000))
      #expect(!isGone)
    }
    #expect(await reading.value == .timedOut)
  }

  @Test("an idle timeout starts over when the kernel takes what was queued", arguments: usableBackends)
  func queue(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    try await withEnoughTime(from: .milliseconds(200)) { try await takeQueue(within: $0, on: reactor) }
  }

  /// - Returns: False if the peer took it too late.
  private func takeQueue(within limit: Duration, on reactor: Reactor) async throws -> Bool {
    let peer = try await RawPeer(on: reactor, bufferSize: 20_000)
    let connection = peer.connection
    let bytes = numbered(150_000)
    try await connection.write(bytes)
    #expect(await connection.queuedCount > 0)
    connection.setIdleTimeout(limit)
    let start = ContinuousClock.now
    let taking = try peer.startOtherSide(shuttingDown: nil) { socket in
      block(for: limit * 3 / 4)
      let beforeIt = ContinuousClock.now
      let taken = try socket.receiveAll(upTo: bytes.count).bytes
      return (beforeIt, isInTime: ContinuousClock.now < start + limit, taken)
    }
    let ending = await reason { _ = try await connection.read() }
    let end = ContinuousClock.now
    let (beforeIt, isInTime, taken) = try taking.join()
    guard isInTime else { return false }
    #expect(taken == bytes)
    #expect(ending == .timedOut)
    #expect(end - beforeIt >= limit)
    return true
  }

  @Test("an idle timeout spares a pipe as long as its reader takes something", arguments: usableBackends)
  func slowReader(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    let pipe = try PipeDescriptors()
    let reader = pipe.reader
    let output = try await Connection.adopt(writing: pipe.writer, on: reactor)
    try await output.write(numbered(40_000))
    try await output.flush()
    let limit = Duration.milliseconds(400)
    output.setIdleTimeout(limit)
    var last = ContinuousClock.now
    for _ in 0..<30 {
      try await Task.sleep(for: .milliseconds(30))
      let isEnded = try reader.take(upTo: 1000) == ""
      let pause = ContinuousClock.now - last
      last = .now
      guard pause < limit else { return }
      #expect(!isEnded)
    }
    #expect(await output.isOpen)
    // From now on it takes nothing.
    #expect(await becomesTrue { await !output.isOpen })
  }

  @Test("an idle timeout counts bytes that arrived in time, though the reactor was blocked", arguments: usableBackends)
  func busyReactor(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    let peer = try await RawPeer(on: reactor)
    let connection = peer.connection
    let far = peer.socket.fileDescriptor
    let limit = Duration.milliseconds(100)
    let reading = Task(executorPreference: reactor) { try await connection.read(exactly: 1) }
    try await reactor.takeTurns()
    // In one job, so that the timeout can't expire before the byte arrives.
    let unblocked = try await reactor.run {
      connection.setIdleTimeout(limit)
      try far.writeAll([5])
      let end = ContinuousClock.now + limit * 2
      while ContinuousClock.now < end {}
      return end
    }
    #expect(try await reading.value == [5])
    // The timeout starts over with the byte.
    #expect(await reason { _ = try await connection.read() } == .timedOut)
    #expect(ContinuousClock.now >= unblocked + limit)
    withExtendedLifetime(peer) {}
  }

  @Test("an idle timeout can be removed and set again", arguments: usableBackends)
  func changed(backend: Poller.Backend) async throws {
    let peer = try await RawPeer(on: try Reactor(backend: backend))
    // In one job, so that the timeout can't expire before.
    await peer.connection.reactor.run { [connection = peer.connection] in
      connection.setIdleTimeout(.milliseconds(50))
      connection.setIdleTimeout(nil)
    }
    try await peer.connection.reactor.sleep(for: .milliseconds(150))
    try peer.socket.sendAll([7])
    #expect(try await peer.connection.read(exactly: 1) == [7])
    peer.connection.setIdleTimeout(.seconds(1000))
    peer.connection.setIdleTimeout(.milliseconds(10))
    #expect(await reason { _ = try await peer.connection.read() } == .timedOut)
  }

  @Test("an idle timeout of a dropped or closed connection never fires", arguments: usableBackends)
  func dropped(backend: Poller.Backend) async throws {
    let observer = RecordingObserver(.connections)
    let reactor = try Reactor(backend: backend, observer: observer)
    for isClosed in [true, false] {
      // In one job, so that the timeout can't expire before.
      try await reactor.run {
        let connection = try await Connection.adopt(Socket.pair().0, on: reactor)
        connection.setIdleTimeout(.milliseconds(5))
        if isClosed { connection.abort() }
      }
    }
    try await reactor.sleep(for: .milliseconds(30))
    #expect(observer.closed.map(\.reason.description) == ["aborted by this side", "no longer referenced"])
  }
}
