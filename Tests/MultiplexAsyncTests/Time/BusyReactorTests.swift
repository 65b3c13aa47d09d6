import Multiplex
import MultiplexAsync
import SystemPackage
import TestSupport
import Testing

/// One call of the kernel reports a limited number of events: a reactor that has been busy knows all of them only after
/// some turns.
@Suite("A reactor that was busy", .timeLimit(.minutes(2)))
struct BusyReactorTests {
  @Test("idle timeouts count the bytes of many connections that arrived in time", arguments: usableBackends)
  func idleTimeouts(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    // More than epoll reports at a time. For a poll or a select, all are the same.
    let peers = try await Peers(backend == .epoll || backend == .ioUring ? 1500 : 100, on: reactor)
    let limit = Duration.milliseconds(200)
    let outcome = Task(executorPreference: reactor) {
      await peers.readAll { connection in
        let bytes = try await connection.read(exactly: 1)
        connection.setIdleTimeout(nil)
        return bytes == [5]
      }
    }
    try await reactor.takeTurns(10)
    try await reactor.run {
      for connection in peers.connections { connection.setIdleTimeout(limit) }
      try peers.sendAll()
      block(for: limit + .milliseconds(50))
    }
    #expect(await outcome.value == peers.connections.count)
  }

  @Test(
    "an idle timeout counts a byte that arrived in time, while the same turn handled others, or a task waits in place",
    arguments: usableBackends, [false, true])
  func duringTurn(backend: Poller.Backend, isInPlace: Bool) async throws {
    let reactor = try Reactor(backend: backend)
    let (slow, other) = (try await RawPeer(on: reactor), try await RawPeer(on: reactor))
    let (busy, connection) = (slow.connection, other.connection)
    let far = other.socket.fileDescriptor
    let limit = Duration.milliseconds(100)
    @Sendable func sendAndBlock() throws {
      connection.setIdleTimeout(limit)
      try far.writeAll([5])
      block(for: limit * 2)
    }
    let reading = Task(executorPreference: reactor) { try await connection.read(exactly: 1) }
    try await reactor.takeTurns()
    let working = Task(executorPreference: reactor) {
      if isInPlace {
        try sendAndBlock()
        // There is nothing else to run: it waits in place for this.
        _ = try await busy.read(exactly: 1)
      } else {
        try await busy.forEachChunk { _, replies in
          try? sendAndBlock()
          replies.end()
        }
      }
    }
    if !isInPlace { try slow.socket.sendAll([1]) }
    #expect(try await reading.value == [5])
    try slow.socket.sendAll([1])
    try await working.value
    withExtendedLifetime((slow, other)) {}
  }

  @Test("reads return bytes that arrived before their deadline, on many connections", arguments: usableBackends)
  func deadlines(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    let peers = try await Peers(100, on: reactor)
    let limit = Duration.seconds(1)
    let deadline = ContinuousClock.now + limit
    let outcome = Task(executorPreference: reactor) {
      await peers.readAll { connection in
        try await withDeadline(deadline, on: reactor) { try await connection.read(exactly: 1) == [5] }
      }
    }
    try await reactor.takeTurns(10)
    let isInTime = try await reactor.run {
      try peers.sendAll()
      let isInTime = ContinuousClock.now < deadline
      block(for: limit)
      return isInTime
    }
    let count = await outcome.value
    // On a machine that is too busy, the deadline may have passed before.
    if isInTime { #expect(count == peers.connections.count) }
  }

  @Test("a shutdown serves the requests of many clients that arrived before they were idle", arguments: usableBackends)
  func shutDown(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    // The reactor must be blocked before the clients are idle.
    try await withEnoughTime(from: .milliseconds(200)) { try await sendWhileBlocked(closingIdleAfter: $0, on: reactor) }
  }

  /// - Returns: False if a client was closed before it could send.
  private func sendWhileBlocked(closingIdleAfter idleTime: Duration, on reactor: Reactor) async throws -> Bool {
    let listener = try await Listener.bind(to: "127.0.0.1:0", on: reactor)
    async let serving: Void = listener.serve(echo)
    let clients = try (0..<200).map { _ in try Socket.connected(to: listener.localAddress) }
    for client in clients { try client.sendAll([0]) }
    for client in clients { #expect(try await becomesTrue { try client.receive(upTo: 1) == [0] }) }
    async let unfinished = listener.shutDown(within: .seconds(100), closingIdleAfter: idleTime)
    #expect(await becomesTrue { listener.isClosed })
    let blocked = await BlockedReactor(reactor)
    let areOpen = clients.allSatisfy { kernelReadiness(of: $0.fileDescriptor, for: .read).isEmpty }
    if areOpen { for client in clients { try client.sendAll([9]) } }
    try await Task.sleep(for: idleTime)
    blocked.goOn()
    if areOpen { for client in clients { #expect(try await becomesTrue { try client.receive(upTo: 1) == [9] }) } }
    #expect(await unfinished == 0)
    await serving
    return areOpen
  }

  #if MULTIPLEX_FAULTS
    @Test(
      "a wait that fails doesn't make timers fire before input that arrived in time", arguments: usableBackends,
      1...6 as ClosedRange<UInt64>)
    func failedWait(backend: Poller.Backend, seed: UInt64) async throws {
      let reactor = try Reactor(backend: backend)
      let (waiting, other) = (try await RawPeer(on: reactor), try await RawPeer(on: reactor))
      let (first, connection) = (waiting.connection, other.connection)
      let far = other.socket.fileDescriptor
      let waits: [SystemCall] = [.pselect, .ppoll, .poll, .epoll_wait, .epoll_pwait2, .io_uring_enter]
      let plan = FaultPlan(
        seed: seed, oneIn: 3, faults: Dictionary(uniqueKeysWithValues: waits.map { ($0, [.noMemory]) }))
      let limit = Duration.milliseconds(100)
      let reading = Task(executorPreference: reactor) { try await connection.read(exactly: 1) }
      try await reactor.takeTurns()
      // This task waits in place, so that the plan applies to the waits of its reactor.
      let failing = Task(executorPreference: reactor) {
        connection.setIdleTimeout(limit)
        try far.writeAll([5])
        block(for: limit * 2)
        try await FaultPlan.$current.withValue(plan) { _ = try await first.read(exactly: 1) }
      }
      #expect(try await reading.value == [5])
      try waiting.socket.sendAll([1])
      try await failing.value
      withExtendedLifetime((waiting, other)) {}
    }
  #endif

  @Test("timers fire though there is always more than one turn reports", arguments: usableBackends)
  func timers(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    let peers = try await Peers(backend == .epoll ? 1100 : 100, on: reactor)
    let isOver = Counter()
    // Each connection sends itself the next byte.
    let running = Task(executorPreference: reactor) {
      await peers.readAll { connection in
        let number = peers.connections.firstIndex(of: connection) ?? 0
        while isOver.value == 0 {
          guard try await connection.read(exactly: 1) == [5] else { return false }
          try peers.send(to: number)
        }
        return true
      }
    }
    try peers.sendAll()
    for _ in 0..<3 { try await reactor.sleep(for: .milliseconds(5)) }
    isOver.add()
    #expect(await running.value == peers.connections.count)
  }
}

/// Connections of a reactor, and the sockets that they are connected to.
private struct Peers: Sendable {
  let connections: [Connection]
  private let sockets: Sockets

  /// Sockets belong to one task. These are used by one job at a time.
  private final class Sockets: @unchecked Sendable {
    let all: [Socket]
    init(_ all: [Socket]) { self.all = all }
  }

  init(_ count: Int, on reactor: Reactor) async throws {
    var connections: [Connection] = []
    var sockets: [Socket] = []
    for _ in 0..<count {
      let (near, far) = try Socket.pair()
      connections.append(try await Connection.adopt(near, on: reactor))
      sockets.append(far)
    }
    self.connections = connections
    self.sockets = Sockets(sockets)
  }

  func send(to number: Int) throws {
    try sockets.all[number].sendAll([5])
  }

  func sendAll() throws {
    for socket in sockets.all { try socket.sendAll([5]) }
  }

  /// Handles each connection in its own task.
  ///
  /// - Returns: For how many the body has returned true.
  func readAll(_ body: @escaping @Sendable (Connection) async throws -> Bool) async -> Int {
    await withTaskGroup { group in
      for connection in connections {
        group.addTask(executorPreference: connection.reactor) { (try? await body(connection)) ?? false }
      }
      return await group.reduce(0) { $0 + ($1 ? 1 : 0) }
    }
  }
}
