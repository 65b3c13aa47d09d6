import Multiplex
import MultiplexAsync
import SystemPackage
import TestSupport
import Testing

@Suite("Closing a connection", .timeLimit(.minutes(2)))
struct ConnectionClosingTests {
  @Test(
    "a connection whose descriptor was closed behind its back fails, and leaves the reused number alone",
    arguments: usableBackends, [true, false])
  func closedBehindItsBack(backend: Poller.Backend, isFoundByWaiting: Bool) async throws {
    // Where edges are emulated, the next wait checks the descriptor itself. Elsewhere a call has to run into it, and
    // then those waiting are notified.
    guard !isFoundByWaiting || backend.emulatedModes.contains(.edge) else { return }
    let reactor = try Reactor(backend: backend)
    let (near, far) = try connectedPair()
    let number = try near.take().renumbered().release()
    let socket = Socket(adopting: OwnedDescriptor(adopting: number), peerAddress: near.peerAddress)
    let connection = try await Connection.adopt(socket, on: reactor)
    if isFoundByWaiting {
      // A read that has returned less than there was room for isn't repeated before waiting.
      try far.sendAll([1])
      #expect(try await connection.read(exactly: 1) == [1])
      try number.close()
      #expect(await reason { _ = try await connection.read() } == .system(.badFileDescriptor))
    } else {
      let reading = Task(executorPreference: reactor) { await reason { _ = try await connection.read() } }
      // It is waiting by then: the reactor runs jobs in order.
      await reactor.run {}
      try number.close()
      let writing = await reason {
        try await connection.write("y")
        // With io_uring it fails when it is submitted.
        try await connection.flush()
      }
      #expect(writing == .system(.badFileDescriptor))
      #expect(await reading.value == .system(.badFileDescriptor))
    }

    let (owner, peer) = try Socket.pair()
    try number.become(owner.fileDescriptor)
    #expect(await reason { _ = try await connection.read() } == .system(.badFileDescriptor))
    #expect(await reason { try await connection.write("y") } == .system(.badFileDescriptor))
    #expect(await reason { try await connection.closeWrite() } == .system(.badFileDescriptor))
    await connection.close()
    // It has neither been closed with the connection nor shut down for writing.
    #expect(kernelReadiness(of: peer.fileDescriptor, for: .read).isEmpty)
    try number.close()
    withExtendedLifetime((owner, peer, far)) {}
  }

  @Test(
    "what was written before a connection is dropped arrives, followed by the end of input", arguments: usableBackends)
  func droppedAfterWriting(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    let (near, far) = try connectedPair()
    let peer = try await Connection.adopt(far, on: reactor)
    let number = try near.take().release()
    try await reactor.run {
      // Dropped in the turn that writes.
      let socket = Socket(adopting: OwnedDescriptor(adopting: number))
      let connection = try await Connection.adopt(socket, on: reactor)
      try await connection.write("good")
      try await connection.write("bye")
    }
    #expect(try await peer.read(exactly: 7) == Array("goodbye".utf8))
    #expect(try await peer.read()?.count == nil)
  }

  @Test("what a handler has written before it throws arrives", arguments: usableBackends, [false, true])
  func thrownAfterWriting(backend: Poller.Backend, isOnLoop: Bool) async throws {
    struct Failure: Error {}
    let reactor = try Reactor(backend: backend)
    let served: @Sendable (Listener) async -> Void = { listener in
      if isOnLoop {
        await listener.serveChunks { _ in
          ChunkHandler { chunk, replies in
            replies.write("bad ")
            replies.write("request")
            throw Failure()
          }
        }
      } else {
        await listener.serve { connection in
          _ = try await connection.read()
          try await connection.write("bad ")
          try await connection.write("request")
          throw Failure()
        }
      }
    }
    try await withListener(on: reactor, served: served) { listener in
      let client = try await Connection.connect(to: listener.localAddress, on: reactor)
      try await client.write("x")
      #expect(try await client.read(exactly: 11) == Array("bad request".utf8))
      #expect(try await client.read()?.count == nil)
    }
  }

  @Test("a cancelled task can close what it has written to", arguments: usableBackends)
  func closedWhenCancelled(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    let peer = try await RawPeer(on: reactor)
    let connection = peer.connection
    let task = Task(executorPreference: reactor) {
      try await connection.write("good")
      try await connection.write("bye")
      cancelThisTask()
      await connection.close()
    }
    try await task.value
    #expect(try await peer.takeAll() == Array("goodbye".utf8))
  }

  @Test("a connection knows whether either side has ended it", arguments: usableBackends)
  func isOpen(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    for isReset in [false, true] {
      let peer = try await RawPeer(on: reactor)
      #expect(await peer.connection.isOpen)
      try peer.socket.sendAll([1])
      #expect(try await peer.connection.read(exactly: 1) == [1])
      #expect(await peer.connection.isOpen)
      if isReset { try peer.reset() } else { try peer.socket.shutdown(.writing) }
      #expect(await becomesTrue { await !peer.connection.isOpen })
      // Asking takes nothing away.
      if isReset {
        #expect(await reason { _ = try await peer.connection.read() } == .reset)
      } else {
        #expect(try await peer.connection.read()?.count == nil)
      }
    }
    let peer = try await RawPeer(on: reactor)
    await peer.connection.close()
    #expect(await !peer.connection.isOpen)
  }

  @Test("an answer isn't lost though its request wasn't read to the end", arguments: usableBackends)
  func lingering(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    let answer = numbered(300_000)
    let served: @Sendable (Connection) async throws -> Void = { connection in
      _ = try await connection.readLine()
      try await connection.write(answer)
      await connection.close(lingering: .seconds(100))
    }
    try await withServer(on: reactor, served) { listener in
      let client = try await Connection.connect(to: listener.localAddress, on: reactor)
      try await client.write("request\n")
      try await client.write(numbered(3_000_000))
      #expect(try await client.read(exactly: answer.count) == answer)
      #expect(try await client.read()?.count == nil)
      await client.close()
    }
  }

  @Test("a peer that doesn't finish is waited for no longer than it was given", arguments: usableBackends)
  func lingeringLimit(backend: Poller.Backend) async throws {
    let peer = try await RawPeer(on: try Reactor(backend: backend))
    let start = ContinuousClock.now
    try await peer.connection.write("bye")
    await peer.connection.close(lingering: .milliseconds(50))
    #expect(ContinuousClock.now - start >= .milliseconds(50))
    #expect(try await peer.takeAll() == Array("bye".utf8))
    #expect(await reason { try await peer.connection.write("x") } == .closed)
  }

  @Test("an adopted connection sends small messages without delay")
  func noDelay() async throws {
    let peer = try await RawPeer(on: try Reactor())
    #expect(try await peer.connection.value(of: .noDelay))
  }

  @Test("onClose isn't called within the call that closes the connection", arguments: usableBackends)
  func onCloseLater(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    let peer = try await RawPeer(on: reactor, bufferSize: 4096)
    let connection = peer.connection
    let told = Recorder<String>()
    connection.onClose { told.add("\($0)") }
    await reactor.run {
      connection.post(numbered(1_000_000))
      // The peer has fallen behind.
      connection.post("x", limit: 0)
      connection.onClose { _ in told.add("late") }
      told.add("posted")
    }
    #expect(await becomesTrue { told.elements == ["posted", "\(CloseReason.fellBehind)", "late"] })
  }

  @Test("onClose calls once, with the reason", arguments: usableBackends)
  func onClose(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    let peer = try await RawPeer(on: reactor)
    let connection = peer.connection
    let told = Recorder<String>()
    connection.onClose { told.add("first: \($0)") }
    connection.onClose { told.add("second: \($0)") }
    try await connection.write("x")
    await connection.close()
    #expect(await becomesTrue { told.elements == ["first: finished", "second: finished"] })
    connection.abort()
    connection.onClose { told.add("late: \($0)") }
    #expect(await becomesTrue { told.elements == ["first: finished", "second: finished", "late: finished"] })
  }

  @Test("onClose reports resets and drops", arguments: usableBackends)
  func onCloseOtherwise(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    let told = Recorder<String>()
    do {
      let peer = try await RawPeer(on: reactor)
      peer.connection.onClose { told.add("\($0)") }
      try peer.reset()
      await #expect(throws: ConnectionError.self) { _ = try await peer.connection.read() }
    }
    #expect(await becomesTrue { told.elements == [CloseReason.lost(.reset).description] })
  }

  @Test("a connection that is aborted doesn't look finished to its peer", arguments: usableBackends, [true, false])
  func aborted(backend: Poller.Backend, hasUnsent: Bool) async throws {
    let reactor = try Reactor(backend: backend)
    let peer = try await RawPeer(on: reactor)
    if hasUnsent {
      // A truncated message must not be mistaken for a whole one.
      let connection = peer.connection
      let writing = Task { try await connection.write([UInt8](repeating: 1, count: 32 << 20)) }
      #expect(await becomesTrue { await connection.queuedCount > 0 })
      writing.cancel()
      _ = await writing.result
    }
    peer.connection.abort()
    let socket = peer.socket
    #expect(await becomesTrue { kernelReadiness(of: socket.fileDescriptor, for: .read).contains(.error) })
    let error = #expect(throws: MultiplexError.self) {
      while let bytes = try socket.receive(upTo: 1 << 20), !bytes.isEmpty {}
    }
    #expect(error?.errno == .connectionReset)
  }

  @Test("a connection that is dropped with unsent bytes is aborted", arguments: usableBackends)
  func droppedWithUnsent(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    let far = try await RawPeer(on: reactor).leftWithUnsent(32 << 20)
    #expect(await becomesTrue { kernelReadiness(of: far.fileDescriptor, for: .read).contains(.error) })
  }

  @Test("a connection that is being closed accepts no more writes", arguments: usableBackends)
  func writeWhileClosing(backend: Poller.Backend) async throws {
    let peer = try await RawPeer(on: try Reactor(backend: backend), bufferSize: 4096)
    let connection = peer.connection
    let bytes = numbered(60_000)
    try await connection.write(bytes)
    let closing = Task { await connection.close() }
    #expect(
      await becomesTrue {
        do throws(ConnectionError) {
          try await connection.write("x")
          return false
        } catch {
          return error.reason == .closed
        }
      })
    let received = try await peer.takeAll()
    #expect(received.prefix(bytes.count) == bytes[...])
    await closing.value
  }

  @Test("a cancelled task can flush what has already been sent", arguments: usableBackends)
  func flushWhenCancelled(backend: Poller.Backend) async throws {
    let peer = try await RawPeer(on: try Reactor(backend: backend))
    let connection = peer.connection
    try await connection.write("all")
    try await connection.flush()
    let flushing = Task {
      cancelThisTask()
      try await connection.flush()
      try await connection.closeWrite()
    }
    try await flushing.value
    #expect(try await peer.takeAll() == Array("all".utf8))
  }

  @Test("a cancelled task can flush what there is room for", arguments: usableBackends)
  func flushInSameTurn(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    let peer = try await RawPeer(on: reactor)
    let connection = peer.connection
    let writing = Task(executorPreference: reactor) {
      try await connection.write("good")
      try await connection.write("bye")
      cancelThisTask()
      try await connection.flush()
      try await connection.closeWrite()
    }
    try await writing.value
    #expect(try await peer.takeAll() == Array("goodbye".utf8))
  }

  @Test("closing the write side leaves the read side open", arguments: usableBackends)
  func closeWrite(backend: Poller.Backend) async throws {
    let peer = try await RawPeer(on: try Reactor(backend: backend))
    try await peer.connection.write("last")
    try await peer.connection.closeWrite()
    #expect(try await peer.takeAll() == Array("last".utf8))
    try peer.socket.sendAll(Array("answer".utf8))
    #expect(try await peer.connection.read(exactly: 6) == Array("answer".utf8))
    #expect(await reason { try await peer.connection.write("x") } == .closed)
    // A second time changes nothing.
    try await peer.connection.closeWrite()
  }

  @Test("closing the write side sends what is queued first", arguments: usableBackends)
  func closeWriteQueued(backend: Poller.Backend) async throws {
    let peer = try await RawPeer(on: try Reactor(backend: backend), bufferSize: 4096)
    let connection = peer.connection
    let bytes = numbered(60_000)
    try await connection.write(bytes)
    let closing = Task { try await connection.closeWrite() }
    #expect(try await peer.takeAll() == bytes)
    try await closing.value
  }

  @Test("closing delivers what is queued", arguments: usableBackends)
  func closeQueued(backend: Poller.Backend) async throws {
    let peer = try await RawPeer(on: try Reactor(backend: backend), bufferSize: 4096)
    let connection = peer.connection
    let bytes = numbered(60_000)
    try await connection.write(bytes)
    let closing = Task { await connection.close() }
    #expect(try await peer.takeAll() == bytes)
    await closing.value
  }

  @Test("closing a connection twice, from two tasks or after an abort has no further effect", arguments: usableBackends)
  func closeTwice(backend: Poller.Backend) async throws {
    let peer = try await RawPeer(on: try Reactor(backend: backend))
    let connection = peer.connection
    async let one: Void = connection.close()
    async let other: Void = connection.close()
    _ = await (one, other)
    await connection.close()
    connection.abort()
    #expect(try await peer.takeAll() == [])
  }

  @Test("every operation on a closed connection fails", arguments: usableBackends)
  func useAfterClose(backend: Poller.Backend) async throws {
    let peer = try await RawPeer(on: try Reactor(backend: backend))
    let connection = peer.connection
    await connection.close()
    #expect(await reason { _ = try await connection.read() } == .closed)
    #expect(await reason { _ = try await connection.read(exactly: 1) } == .closed)
    #expect(await reason { _ = try await connection.readLine() } == .closed)
    #expect(await reason { try await connection.write("x") } == .closed)
    #expect(await reason { try await connection.flush() } == .closed)
    #expect(await reason { try await connection.closeWrite() } == .closed)
  }

  @Test("closing wakes a waiting reader", arguments: usableBackends)
  func closeWakesReader(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    for kind in 0..<2 {
      let peer = try await RawPeer(on: reactor)
      let connection = peer.connection
      let reading = Task { try await connection.read()?.count }
      try await connection.reactor.sleep(for: .milliseconds(2))
      if kind == 0 { await connection.close() } else { connection.abort() }
      #expect(await reason { _ = try await reading.value } == .closed)
    }
  }

  @Test("an abort wakes every waiting task, and the peer notices", arguments: usableBackends)
  func abort(backend: Poller.Backend) async throws {
    let peer = try await RawPeer(on: try Reactor(backend: backend), bufferSize: 4096)
    let connection = peer.connection
    connection.setWatermarks(Watermarks(low: 0, high: 10_000_000))
    try await connection.write(numbered(1_000_000))
    connection.setWatermarks(Watermarks(low: 0, high: 0))
    let writing = Task { try await connection.write("x") }
    let flushing = Task { try await connection.flush() }
    let closing = Task { await connection.close() }
    let reading = Task { try await connection.read()?.count }
    try await connection.reactor.sleep(for: .milliseconds(2))
    #expect(await connection.queuedCount > 0)
    connection.abort()
    #expect(await connection.queuedCount == 0)
    #expect(await reason { try await writing.value } == .closed)
    #expect(await reason { try await flushing.value } == .closed)
    #expect(await reason { _ = try await reading.value } == .closed)
    await closing.value
    #expect(
      await becomesTrue {
        // What the kernel has taken arrives before the end.
        try? peer.socket.fileDescriptor.drain()
        return peer.isGone
      })
  }

  @Test("cancelling a close while the peer is slow closes at once", arguments: usableBackends)
  func closeCancelled(backend: Poller.Backend) async throws {
    let peer = try await RawPeer(on: try Reactor(backend: backend), bufferSize: 4096)
    let connection = peer.connection
    connection.setWatermarks(Watermarks(low: 0, high: 10_000_000))
    try await connection.write(numbered(1_000_000))
    let closing = Task { await connection.close() }
    try await connection.reactor.sleep(for: .milliseconds(2))
    closing.cancel()
    await closing.value
    #expect(await reason { try await connection.write("x") } == .closed)
  }

  @Test("a connection with no remaining references is closed", arguments: usableBackends)
  func dropped(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    for isOnReactor in [true, false] {
      let (near, far) = try connectedPair()
      do {
        let connection = try await Connection.adopt(near, on: reactor)
        // A read that is parked in the kernel, or was cancelled, must not keep it alive.
        let reading = Task { try? await connection.read()?.count }
        try await reactor.sleep(for: .milliseconds(1))
        reading.cancel()
        _ = await reading.value
        if isOnReactor { await reactor.run { [connection] in _ = connection } }
      }
      let descriptor = far.fileDescriptor
      #expect(await becomesTrue { kernelReadiness(of: descriptor, for: .read).contains(.readClosed) })
    }
  }

  @Test("queued bytes don't keep a dropped connection alive", arguments: usableBackends)
  func droppedWithQueue(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    weak var dropped: Connection?
    let (near, far) = try connectedPair()
    do {
      let connection = try await Connection.adopt(near, on: reactor)
      connection.setWatermarks(Watermarks(low: 0, high: 20_000_000))
      try await connection.write(numbered(10_000_000))
      dropped = connection
    }
    #expect(await becomesTrue { dropped == nil })
    let descriptor = far.fileDescriptor
    #expect(
      await becomesTrue {
        // With or without a reset in the middle, it ends.
        try? descriptor.drain()
        return kernelReadiness(of: descriptor, for: .read).contains(.readClosed)
      })
  }

  @Test(
    "a descriptor number that is closed and reused in one turn gets no event of the old one",
    arguments: usableBackends)
  func reusedNumber(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    // The rounds run on a thread of their own: on the shared ones, each of their many waits would wait for other tests.
    try await Reactor().run {
      for _ in 0..<100 { try await reuseNumber(on: reactor) }
    }
  }

  private func reuseNumber(on reactor: Reactor) async throws {
    let (near1, far1) = try connectedPair()
    let (near2, far2) = try connectedPair()
    let first = try await Connection.adopt(near1, on: reactor)
    let second = try await Connection.adopt(near2, on: reactor)
    // The one that is notified first aborts the other, and opens another connection, perhaps with its number.
    let opened = Recorder<Connection>()
    let far = Recorder<FileDescriptor>()
    func serve(_ own: Connection, closing other: Connection) -> Task<Void, Never> {
      Task(executorPreference: reactor) {
        guard (try? await own.read()?.count) != nil else { return }
        other.abort()
        guard let (near, distant) = try? Socket.pair(),
          let connection = try? await Connection.adopt(near, on: reactor),
          let descriptor = try? distant.take().release()
        else { return }
        opened.add(connection)
        far.add(descriptor)
      }
    }
    let tasks = [serve(first, closing: second), serve(second, closing: first)]
    try far1.sendAll([1])
    // It may have been aborted already.
    try? far2.sendAll([2])
    for task in tasks { await task.value }
    let connections = opened.elements
    #expect(!connections.isEmpty)
    for (connection, descriptor) in zip(connections, far.elements) {
      let socket = Socket(adopting: OwnedDescriptor(adopting: descriptor))
      try socket.sendAll([7])
      #expect(try await connection.read(exactly: 1) == [7])
      socket.close()
      #expect(try await connection.read()?.count == nil)
    }
  }
}

extension RawPeer {
  /// Writes more than there is room for, and drops the connection.
  ///
  /// - Returns: The other side.
  fileprivate func leftWithUnsent(_ count: Int) async throws -> Socket {
    connection.setWatermarks(Watermarks(low: 0, high: 2 * count))
    try await connection.write([UInt8](repeating: 1, count: count))
    return socket
  }
}
