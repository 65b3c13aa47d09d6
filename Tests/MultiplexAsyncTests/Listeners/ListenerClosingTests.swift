import Multiplex
import MultiplexAsync
import Synchronization
import SystemPackage
import TestSupport
import Testing

/// Clients that are on their way from the kernel to a server when its listener is closed.
@Suite("Closing a listener", .timeLimit(.minutes(2)))
struct ListenerClosingTests {
  @Test("a client that the ring accepts at the last moment is served", arguments: usableBackends)
  func acceptedAtLast(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    let listener = try await Listener.bind(to: "127.0.0.1:0", on: reactor)
    async let serving: Void = listener.serve(echo)
    let first = try await answeredClient(of: listener)
    // Aborting a pipe that is waited for makes the ring enter the kernel, in the middle of a turn.
    let pipe = try PipeDescriptors()
    let input = try await Connection.adopt(reading: pipe.reader, on: reactor)
    let reading = Task(executorPreference: reactor) { await reason { _ = try await input.read() } }
    try await reactor.takeTurns()
    let client = try await reactor.run {
      let client = try Socket.connected(to: listener.localAddress)
      try client.sendAll([7])
      input.abort()
      listener.close()
      return try client.take().release()
    }
    try await expect([7], from: client)
    #expect(await reading.value == .closed)
    first.close()
    await serving
  }

  @Test("a client that was accepted from a shared socket is served, as others can't be", arguments: usableBackends)
  func shared(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    let shared = try await SharedListener(on: reactor)
    let listener = shared.listener
    async let serving: Void = listener.serve(echo)
    let peer = try await RawPeer(on: reactor)
    let connection = peer.connection
    let reading = Task(executorPreference: reactor) {
      try await connection.forEachChunk { _, replies in
        listener.close()
        replies.end()
      }
    }
    try await reactor.takeTurns()
    let far = peer.socket.fileDescriptor
    // In one job: the client and the chunk arrive in the same turn.
    let client = try await reactor.run {
      let client = try Socket.connected(to: listener.localAddress)
      try client.sendAll([7])
      try far.writeAll([5])
      return try client.take().release()
    }
    try await reading.value
    // Whatever this one has left.
    let other = Task {
      guard let theirs = try shared.theirs.accept() else { return }
      if let bytes = try theirs.receive(upTo: 1) { try theirs.sendAll(bytes) }
    }
    try await other.value
    try await expect([7], from: client)
    await serving
    withExtendedLifetime(peer) {}
  }

  @Test("a client that waits at a shared socket is served by either owner", arguments: usableBackends)
  func waitingAtShared(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    let shared = try await SharedListener(on: reactor)
    let listener = shared.listener
    async let serving: Void = listener.serve { connection in
      listener.close()
      try await echo(connection)
    }
    try await reactor.takeTurns()
    // In one job, so that both wait before the first is accepted.
    let clients = try await reactor.run {
      try [1, 2].map { (number: UInt8) in
        let client = try Socket.connected(to: listener.localAddress)
        try client.sendAll([number])
        return try client.take().release()
      }
    }
    // Whichever of the two accepts it.
    let other = Task {
      var theirs: Socket?
      while !Task.isCancelled, theirs == nil {
        try await Task.sleep(for: .milliseconds(2))
        theirs = try shared.theirs.accept()
      }
      guard let theirs, try await becomesTrue({ try theirs.receive(upTo: 1) == [2] }) else { return }
      try theirs.sendAll([2])
    }
    try await expect([1], from: clients[0])
    try await expect([2], from: clients[1])
    other.cancel()
    _ = await other.result
    await serving
  }

  /// Closes a listener in the middle of a turn.
  private final class ClosingObserver: ReactorObserver {
    let events = ReactorEvents.turns
    private let listener = Mutex<Listener?>(nil)

    func close(_ listener: Listener) { self.listener.withLock { $0 = listener } }

    func ready(_ descriptor: FileDescriptor, for readiness: Readiness) {
      listener.withLock { $0?.close() }
    }
  }

  @Test("an observer may close a listener: what others receive in that turn stays in order", arguments: usableBackends)
  func closedByObserver(backend: Poller.Backend) async throws {
    let observer = ClosingObserver()
    let reactor = try Reactor(backend: backend, observer: observer)
    let listener = try await Listener.bind(to: "127.0.0.1:0", on: reactor)
    async let serving: Void = listener.serve(echo)
    let peer = try await RawPeer(on: reactor)
    let connection = peer.connection
    // More than one buffer.
    let bytes = numbered(60_000)
    let reading = Task(executorPreference: reactor) { try await connection.read(exactly: bytes.count) }
    try await reactor.takeTurns()
    let far = peer.socket.fileDescriptor
    try await reactor.run {
      try far.writeAll(bytes)
      observer.close(listener)
    }
    #expect(try await reading.value == bytes)
    await serving
    withExtendedLifetime(peer) {}
  }

  private func expect(_ bytes: [UInt8], from client: FileDescriptor) async throws {
    let client = Socket(adopting: OwnedDescriptor(adopting: client))
    #expect(try await becomesTrue { try client.receive(upTo: 10) == bytes })
  }
}
