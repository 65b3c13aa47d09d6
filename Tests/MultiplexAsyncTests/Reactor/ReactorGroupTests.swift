import Foundation
import Multiplex
import MultiplexAsync
import SystemPackage
import Synchronization
import TestSupport
import Testing

@Suite("ReactorGroup", .timeLimit(.minutes(5)))
struct ReactorGroupTests {
  @Test("next returns the reactors in turn")
  func roundRobin() throws {
    let group = try ReactorGroup(count: 3)
    #expect(group.reactors.count == 3)
    for _ in 0..<2 {
      for reactor in group.reactors { #expect(group.next() === reactor) }
    }
  }

  @Test("without a count there is one reactor per processor that the process may use", arguments: [nil, 0, -1])
  func onePerProcessor(count: Int?) throws {
    let processors = try #require(allowedProcessors())
    #expect(try ReactorGroup(count: count).reactors.count == min(processors, ProcessorQuota.current ?? processors))
  }

  @Test("the reactors of a group each serve connections of one TCP port on their own thread", arguments: usableBackends)
  func sharedPort(backend: Poller.Backend) async throws {
    let group = try ReactorGroup(count: 2, backend: backend)
    let listener = try await ListenerGroup.bind(to: "127.0.0.1:0", on: group)
    #expect(listener.localAddress.port != 0)
    async let serving: Void = listener.serve { try await tellReactor($0, of: group) }
    // The kernel distributes connections by a hash. In practice all 64 never go to one reactor.
    let reactors = try await reactorsServing(64, at: listener.localAddress, on: group.reactors[0])
    #expect(Set(reactors) == [0, 1])
    #expect(await listener.shutDown(within: .seconds(60)) == 0)
    await serving
  }

  @Test("a group listens at all addresses of a host, or at none")
  func allAddresses() async throws {
    let group = try ReactorGroup(count: 2)
    let host = try HostPort("*:0")
    let listeners = try await ListenerGroup.bind(toAllOf: host, on: group)
    // Without IPv6 there is one.
    let families = listeners.map { if case .ipv4 = $0.localAddress { 4 } else { 6 } }
    #expect(families == [4, 6] || families == [4])
    for listener in listeners { listener.close() }

    let taken = try Socket.listening(on: .ipv4(.loopback, port: 0))
    let port = try #require(try taken.localAddress().port)
    let error = await #expect(throws: MultiplexError.self) {
      _ = try await ListenerGroup.bind(toAllOf: HostPort("localhost:\(port)"), on: group)
    }
    #expect(error?.errno == .addressInUse)
    // A single listener doesn't move on to the next address either if the first is taken.
    await #expect(throws: MultiplexError.self) {
      _ = try await Listener.bind(to: HostPort("*:\(port)"), on: group.reactors[0])
    }
    withExtendedLifetime(taken) {}
  }

  @Test("the reactors of a group take over the connections of a Unix socket in turn", arguments: usableBackends)
  func handOver(backend: Poller.Backend) async throws {
    let folder = try TemporaryFolder()
    let group = try ReactorGroup(count: 2, backend: backend)
    let address = SocketAddress.unix(path: folder.path + "/socket")
    let listener = try await ListenerGroup.bind(to: address, on: group)
    async let serving: Void = listener.serve { try await tellReactor($0, of: group) }
    let reactors = try await reactorsServing(6, at: address, on: group.reactors[0])
    #expect(reactors.sorted() == [0, 0, 0, 1, 1, 1])
    #expect(await listener.shutDown(within: .seconds(60)) == 0)
    await serving
  }

  /// The listener's reactor gets the connection back and learns of the shutdown at the same time.
  @Test("a shutdown ends a connection that has just been handed over", arguments: usableBackends)
  func shutDownDuringHandOver(backend: Poller.Backend) async throws {
    let folder = try TemporaryFolder()
    let group = try ReactorGroup(count: 2, backend: backend)
    for _ in 0..<5 {
      let listener = try await ListenerGroup.bind(to: .unix(path: folder.file("socket")), on: group)
      let isOver = Counter()
      let serving = Task {
        await listener.serve { connection in
          while try await connection.read() != nil {}
        }
        isOver.add()
      }
      try await group.reactors[0].takeTurns()
      while group.next() !== group.reactors[0] {}
      let target = await BlockedReactor(group.reactors[1])
      let client = try Socket.connected(to: listener.localAddress)
      // It is accepted by then.
      try await group.reactors[0].takeTurns()
      let source = await BlockedReactor(group.reactors[0])
      target.goOn()
      // What was handed over has been accepted there by then.
      await group.reactors[1].run {}
      let ending = Task { _ = await listener.shutDown(within: .zero) }
      // In all likelihood it has notified the reactor by then.
      for _ in 0..<1000 { await Task.yield() }
      source.goOn()
      await ending.value
      #expect(await becomesTrue { isOver.value == 1 })
      client.close()
      await serving.value
    }
  }

  @Test("the connection limit is shared by all reactors, and every client is served in turn", arguments: [true, false])
  func limitOverAll(isUnix: Bool) async throws {
    let folder = try TemporaryFolder()
    let group = try ReactorGroup(count: 3)
    let address = isUnix ? .unix(path: folder.path + "/socket") : SocketAddress.ipv4(.loopback, port: 0)
    let listener = try await ListenerGroup.bind(to: address, on: group)
    let count = Mutex((now: 0, highest: 0, total: 0))
    async let serving: Void = listener.serve(maximumConnections: 2) { connection in
      count.withLock { $0 = ($0.now + 1, max($0.highest, $0.now + 1), $0.total + 1) }
      defer { count.withLock { $0.now -= 1 } }
      // Until the client has closed.
      while try await connection.read() != nil {}
    }
    var clients: [Connection] = []
    for _ in 0..<12 {
      clients.append(try await Connection.connect(to: listener.localAddress, on: group.next()))
    }
    #expect(await becomesTrue(within: .seconds(60)) { count.withLock { $0.now == 2 } })
    // Those that aren't served yet are connected all the same, and are served even though they have closed.
    for client in clients { await client.close() }
    #expect(await becomesTrue(within: .seconds(60)) { count.withLock { $0.total == 12 && $0.now == 0 } })
    #expect(count.withLock { $0.highest } == 2)
    listener.close()
    await serving
  }

  @Test("a limit of zero connections accepts nobody, and the listeners can still be closed")
  func limitOfNone() async throws {
    let group = try ReactorGroup(count: 2)
    let listener = try await ListenerGroup.bind(to: "127.0.0.1:0", on: group)
    async let serving: Void = listener.serve(maximumConnections: 0) { _ in Issue.record("served") }
    let client = try await Connection.connect(to: listener.localAddress, on: group.next())
    listener.close()
    await serving
    await client.close()
  }

  @Test("shutting down a group closes the connections that remain at the deadline, and counts them")
  func shutDown() async throws {
    let group = try ReactorGroup(count: 2)
    let listener = try await ListenerGroup.bind(to: "127.0.0.1:0", on: group)
    let served = Atomic(0)
    async let serving: Void = listener.serve { connection in
      served.add(1, ordering: .relaxed)
      while try await connection.read() != nil {}
    }
    var clients: [Connection] = []
    for _ in 0..<5 {
      clients.append(try await Connection.connect(to: listener.localAddress, on: group.next()))
    }
    #expect(await becomesTrue(within: .seconds(60)) { served.load(ordering: .relaxed) == 5 })
    #expect(await listener.shutDown(within: .zero) == 5)
    await serving
    for client in clients {
      // Returns at once, with the end or a reset.
      #expect((try? await client.read(exactly: 1)) == nil)
    }
    // Nobody listens there any more, so the port is available without sharing it.
    #expect(await becomesTrue { (try? Socket.listening(on: listener.localAddress)) != nil })
  }

  @Test("cancelling the serving task of a group cancels the handlers and ends it")
  func cancellation() async throws {
    let group = try ReactorGroup(count: 2)
    let listener = try await ListenerGroup.bind(to: "127.0.0.1:0", on: group)
    let begun = Gate()
    let reasons = Recorder<ConnectionError.Reason?>()
    let serving = Task {
      await listener.serve { connection in
        begun.open()
        reasons.add(await reason { _ = try await connection.read() })
      }
    }
    let client = try await Connection.connect(to: listener.localAddress, on: group.next())
    await begun.pass()
    serving.cancel()
    await serving.value
    #expect(reasons.elements == [.cancelled])
    await client.close()
  }
}

/// Sends the number of the reactor whose thread the handler runs on.
@Sendable private func tellReactor(_ connection: Connection, of group: ReactorGroup) async throws {
  let index = group.reactors.firstIndex { $0.isCurrent }
  let isOwn = connection.reactor.isCurrent
  try await connection.write([isOwn ? UInt8(index ?? 254) : 255])
}

/// Makes connections one after another, and collects what each is sent.
private func reactorsServing(_ count: Int, at address: SocketAddress, on reactor: Reactor) async throws -> [UInt8] {
  var reactors: [UInt8] = []
  for _ in 0..<count {
    let client = try await Connection.connect(to: address, on: reactor)
    reactors += try await client.read(exactly: 1)
    await client.close()
  }
  return reactors
}
