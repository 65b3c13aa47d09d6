import Multiplex
import MultiplexAsync
import Synchronization
import SystemPackage
import TestSupport
import Testing

/// A read that has the reactor to itself waits without suspending its task. Other tasks must not notice.
@Suite("A read that waits in place", .timeLimit(.minutes(2)))
struct WaitingInPlaceTests {
  /// Records whether the reactor waits within a task.
  private struct WaitRecorder: ReactorObserver {
    let events: ReactorEvents = .turns
    let waits = Recorder<Bool>()

    func turnEnded(readyCount: Int) {
      waits.add(unsafe withUnsafeCurrentTask { unsafe $0 != nil })
    }
  }

  /// Runs a body while a task of the reactor reads, and nothing else is to be done.
  ///
  /// - Parameter body: Called once the reactor waits for what the task reads.
  /// - Returns: The result of the read.
  private func read(
    on backend: Poller.Backend, idleTimeout: Duration? = nil,
    while body: (RawPeer, Task<[UInt8]?, any Error>) async throws -> Void
  ) async throws -> Result<[UInt8]?, any Error> {
    let observer = WaitRecorder()
    let reactor = try Reactor(backend: backend, observer: observer)
    let peer = try await RawPeer(on: reactor)
    let connection = peer.connection
    let reading = Task(executorPreference: reactor) {
      connection.setIdleTimeout(idleTimeout)
      return try await connection.read()?.array
    }
    #expect(await becomesTrue(within: .seconds(60)) { observer.waits.elements.contains(true) }, "it waits in the task")
    try await body(peer, reading)
    return await reading.result
  }

  @Test("a read in place returns incoming bytes", arguments: usableBackends)
  func input(backend: Poller.Backend) async throws {
    let result = try await read(on: backend) { peer, _ in try peer.socket.sendAll([1, 2, 3]) }
    #expect(try result.get() == [1, 2, 3])
  }

  @Test("a read in place returns nil at end of input", arguments: usableBackends)
  func end(backend: Poller.Backend) async throws {
    let result = try await read(on: backend) { peer, _ in try peer.socket.shutdown(.writing) }
    #expect(try result.get() == nil)
  }

  @Test("a read in place reports a reset", arguments: usableBackends)
  func reset(backend: Poller.Backend) async throws {
    let result = try await read(on: backend) { peer, _ in try peer.reset() }
    #expect(await reason { _ = try result.get() } == .reset)
  }

  @Test("a read in place lets other tasks and timers run", arguments: usableBackends)
  func others(backend: Poller.Backend) async throws {
    let result = try await read(on: backend) { peer, _ in
      let reactor = peer.connection.reactor
      for round in 0..<20 {
        #expect(await reactor.run { round } == round)
        try await reactor.sleep(for: .microseconds(100))
      }
      let others = try await RawPeer(on: reactor)
      try others.socket.sendAll([7])
      #expect(try await others.connection.read(exactly: 1) == [7])
      try peer.socket.sendAll([8])
    }
    #expect(try result.get() == [8])
  }

  @Test("a read in place is cancelled without losing bytes", arguments: usableBackends)
  func cancellation(backend: Poller.Backend) async throws {
    let result = try await read(on: backend) { peer, reading in
      reading.cancel()
      _ = await reading.result
      try peer.socket.sendAll([9])
      #expect(try await peer.connection.read(exactly: 1) == [9])
    }
    #expect(await reason { _ = try result.get() } == .cancelled)
  }

  @Test("a read in place ends when the connection is aborted", arguments: usableBackends)
  func abort(backend: Poller.Backend) async throws {
    let result = try await read(on: backend) { peer, _ in peer.connection.abort() }
    #expect(await reason { _ = try result.get() } == .closed)
  }

  @Test("a read in place ends when the connection is idle for too long", arguments: usableBackends)
  func idleTimeout(backend: Poller.Backend) async throws {
    let result = try await read(on: backend, idleTimeout: .milliseconds(20)) { _, _ in }
    #expect(await reason { _ = try result.get() } == .timedOut)
  }

  @Test("a read in place returns bytes that arrive as the idle timeout expires", arguments: usableBackends)
  func inputInTime(backend: Poller.Backend) async throws {
    let (near, far) = try connectedPair()
    let descriptor = far.fileDescriptor
    let limit = Duration.milliseconds(20)
    let observer = TurnObserver {
      // The reactor is blocked, and finds both when it continues.
      _ = try? descriptor.writeAll([1])
      let end = ContinuousClock.now + limit * 2
      while ContinuousClock.now < end {}
    }
    let reactor = try Reactor(backend: backend, observer: observer)
    let connection = try await Connection.adopt(near, on: reactor)
    let received = try await Task(executorPreference: reactor) {
      connection.setIdleTimeout(limit)
      observer.arm()
      return try await connection.read()?.array
    }.value
    #expect(received == [1])
    withExtendedLifetime(far) {}
  }

  @Test("a read in place ends when an observer aborts the connection", arguments: usableBackends)
  func abortByObserver(backend: Poller.Backend) async throws {
    let connections = Recorder<Connection>()
    // Taken out, as the observer would otherwise keep the reactor alive through it.
    let observer = TurnObserver { connections.takeFirst()?.abort() }
    let reactor = try Reactor(backend: backend, observer: observer)
    let (near, far) = try connectedPair()
    let connection = try await Connection.adopt(near, on: reactor)
    connections.add(connection)
    let reading = Task(executorPreference: reactor) {
      observer.arm()
      _ = try await connection.read()
    }
    #expect(await reason { try await reading.value } == .closed)
    withExtendedLifetime(far) {}
  }

  /// Does something at the end of one turn.
  private final class TurnObserver: ReactorObserver {
    let events: ReactorEvents = .turns
    private let body: @Sendable () -> Void
    private let isArmed = Atomic(false)

    init(_ body: @escaping @Sendable () -> Void) {
      self.body = body
    }

    func arm() {
      isArmed.store(true, ordering: .relaxed)
    }

    func turnEnded(readyCount: Int) {
      if isArmed.exchange(false, ordering: .relaxed) { body() }
    }
  }

  @Test("tasks that read in place by turns make no turns that don't wait", arguments: usableBackends)
  func alternation(backend: Poller.Backend) async throws {
    let observer = RecordingObserver(.turns)
    let reactor = try Reactor(backend: backend, observer: observer)
    var peers: [RawPeer] = []
    for _ in 0..<2 { peers.append(try await RawPeer(on: reactor)) }
    let echoing = peers.map { peer in
      Task(executorPreference: reactor) { [connection = peer.connection] in try await echo(connection) }
    }
    let exchange = { (number: Int) in
      try peers[number % 2].socket.sendAll([UInt8(number)])
      #expect(try await peers[number % 2].take(1) == [UInt8(number)])
    }
    for number in 0..<2 { try await exchange(number) }
    let before = observer.turnCount
    let count = 100
    for number in 0..<count { try await exchange(number) }
    #expect(observer.turnCount - before < count + 5)
    for peer in peers { try peer.socket.shutdown(.writing) }
    for task in echoing { try await task.value }
  }

  @Test("a read in place keeps nothing alive that ran before it", arguments: usableBackends)
  func nothingIsKept(backend: Poller.Backend) async throws {
    let observer = WaitRecorder()
    let reactor = try Reactor(backend: backend, observer: observer)
    let peer = try await RawPeer(on: reactor)
    let connection = peer.connection
    let (near, far) = try connectedPair()
    var other: Connection? = try await Connection.adopt(near, on: reactor)
    weak let last = other
    let blocked = await BlockedReactor(reactor)
    // The abort has the last reference, and reaches the reactor together with the task.
    other?.abort()
    other = nil
    let reading = Task(executorPreference: reactor) { try await connection.read()?.array }
    blocked.goOn()
    #expect(await becomesTrue(within: .seconds(60)) { observer.waits.elements.last == true })
    #expect(await becomesTrue(within: .seconds(60)) { last == nil })
    try peer.socket.sendAll([1])
    #expect(try await reading.value == [1])
    withExtendedLifetime(far) {}
  }

  @Test("a read in place refuses another reader", arguments: usableBackends)
  func anotherReader(backend: Poller.Backend) async throws {
    let result = try await read(on: backend) { peer, _ in
      #expect(await reason { _ = try await peer.connection.read() } == .busy)
      try peer.socket.sendAll([1])
    }
    #expect(try result.get() == [1])
  }

  /// Otherwise its actor would have to wait as well.
  @Test("a task isolated to an actor never waits in place", arguments: usableBackends)
  func actor(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    let peer = try await RawPeer(on: reactor)
    let connection = peer.connection
    let reader = Reader()
    let reading = Task(executorPreference: reactor) { try await reader.read(connection) }
    #expect(await becomesTrue(within: .seconds(60)) { await reader.isReading })
    for _ in 0..<20 { #expect(await reader.isReading) }
    try peer.socket.sendAll([1])
    #expect(try await reading.value == [1])
  }

  @Test("an actor that serves a connection never waits in place", arguments: usableBackends)
  func servingActor(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    let reader = Reader()
    let received = Recorder<[UInt8]?>()
    try await withServer(on: reactor, { received.add(try await reader.read($0)) }) { listener in
      let client = try Socket.connected(to: listener.localAddress)
      #expect(await becomesTrue(within: .seconds(60)) { await reader.isReading })
      for _ in 0..<20 { #expect(await reader.isReading) }
      try client.sendAll([1])
      #expect(await becomesTrue(within: .seconds(60)) { received.elements == [[1]] })
    }
  }

  private actor Reader {
    private(set) var isReading = false

    func read(_ connection: Connection) async throws -> [UInt8]? {
      isReading = true
      return try await connection.read()?.array
    }
  }

  /// The code that starts such a task continues once the task is suspended, and may only then do what the task waits
  /// for.
  @Test("an immediate task within another's job never waits in place", arguments: usableBackends)
  func immediate(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    let peer = try await RawPeer(on: reactor)
    let connection = peer.connection
    let far = peer.socket.fileDescriptor
    let received = try await reactor.run {
      let reading = Task.immediate { try await connection.read()?.array }
      try far.writeAll([1, 2])
      return try await reading.value
    }
    #expect(received == [1, 2])
    withExtendedLifetime(peer) {}
  }
}
