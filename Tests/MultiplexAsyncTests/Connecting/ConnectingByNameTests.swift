import Multiplex
import MultiplexAsync
import SystemPackage
import TestSupport
import Testing

/// Names that every machine knows, and addresses of this one. No server is asked.
@Suite("Connecting to names and to several addresses", .timeLimit(.minutes(5)))
struct ConnectingByNameAsyncTests {
  @Test("a host name, a string and a numeric address lead to the same server", arguments: usableBackends)
  func byName(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    let listener = try await Listener.bind(to: "127.0.0.1:0", on: reactor)
    let port = try #require(listener.localAddress.port)
    async let serving: Void = listener.serve { try await $0.write("hello") }
    for text in ["localhost:\(port)", "127.0.0.1:\(port)", ":\(port)"] {
      for connection in [
        try await Connection.connect(to: text, on: reactor),
        try await Connection.connect(to: HostPort(text), on: reactor, timeout: .seconds(60)),
      ] {
        #expect(try await connection.read(exactly: 5) == Array("hello".utf8))
        #expect(connection.peerAddress == listener.localAddress)
        await connection.close()
      }
    }
    listener.close()
    await serving
  }

  @Test(
    "a string that isn't HOST:PORT and an unknown service are unresolved",
    arguments: ["nothing", "127.0.0.1:no-such-service"])
  func unresolved(text: String) async throws {
    let reactor = try Reactor()
    let error = await #expect(throws: ConnectionError.self) { try await Connection.connect(to: text, on: reactor) }
    guard case .unresolved(let cause) = error?.reason else {
      Issue.record("\(String(describing: error))")
      return
    }
    #expect(cause.reason == .unknownAddress)
    #expect(error?.operation == .connect)
  }

  @Test("connecting moves past an address that refuses at once", arguments: usableBackends)
  func refusedFirst(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    let listener = try await Listener.bind(to: "127.0.0.1:0", on: reactor)
    let dead = try UnusedAddress()
    let addresses = [dead.address, dead.address, listener.localAddress]
    let connection = try await Connection.connect(toAnyOf: addresses, on: reactor)
    withExtendedLifetime(dead) {}
    #expect(connection.peerAddress == listener.localAddress)
    await connection.close()
  }

  @Test(
    "the next address is tried after 250 ms, and the losing attempt is abandoned",
    arguments: usableBackends)
  func silentFirst(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    let listener = try await Listener.bind(to: "127.0.0.1:0", on: reactor)
    let silent = try SilentListener()
    let start = ContinuousClock.now
    let connection = try await Connection.connect(toAnyOf: [silent.address, listener.localAddress], on: reactor)
    #expect(connection.peerAddress == listener.localAddress)
    #expect(ContinuousClock.now - start >= .milliseconds(250))
    #expect(try await becomesTrue(within: .seconds(60)) { try !silent.isBeingTried })
    await connection.close()
  }

  @Test("if all addresses refuse, the last refusal is thrown")
  func allRefuse() async throws {
    let reactor = try Reactor()
    let dead = [try UnusedAddress(), try UnusedAddress()]
    let addresses = dead.map(\.address)
    let error = await #expect(throws: ConnectionError.self) {
      try await Connection.connect(toAnyOf: addresses, on: reactor)
    }
    withExtendedLifetime(dead) {}
    #expect(error?.reason == .refused)
    #expect(error?.peer.map(addresses.contains) == true)
  }

  @Test("connecting to no address at all is refused")
  func noAddress() async throws {
    let reactor = try Reactor()
    let error = await #expect(throws: ConnectionError.self) { try await Connection.connect(toAnyOf: [], on: reactor) }
    #expect(error?.reason == .refused)
  }

  @Test("a timeout abandons every attempt")
  func timeout() async throws {
    let reactor = try Reactor()
    let (first, second) = (try SilentListener(), try SilentListener())
    let error = await #expect(throws: ConnectionError.self) {
      try await Connection.connect(
        toAnyOf: [first.address, second.address], on: reactor, timeout: .milliseconds(300))
    }
    #expect(error?.reason == .timedOut)
    #expect(try await becomesTrue(within: .seconds(60)) { try !first.isBeingTried })
    #expect(try await becomesTrue(within: .seconds(60)) { try !second.isBeingTried })
  }

  @Test("cancelling the task abandons every attempt")
  func cancellation() async throws {
    let reactor = try Reactor()
    let silent = try SilentListener()
    let addresses = [silent.address, silent.address]
    let task = Task { try await Connection.connect(toAnyOf: addresses, on: reactor) }
    #expect(try await becomesTrue(within: .seconds(60)) { try silent.isBeingTried })
    task.cancel()
    let error = await #expect(throws: ConnectionError.self) { try await task.value }
    #expect(error?.reason == .cancelled)
    #expect(try await becomesTrue(within: .seconds(60)) { try !silent.isBeingTried })
  }

  @Test("a listener accepts a host name and binds to the first address that is available")
  func listening() async throws {
    let group = try ReactorGroup(count: 2)
    let reactor = group.next()
    let addresses =
      [
        try await Listener.bind(to: HostPort("localhost:0"), on: reactor),
        try await Listener.bind(to: "localhost:0", on: reactor),
        try await ListenerGroup.bind(to: HostPort("localhost:0"), on: group),
        try await ListenerGroup.bind(to: "localhost:0", on: group, backlog: 10),
      ] as [any ListenerProtocol]
    for listener in addresses {
      let connection = try await Connection.connect(to: listener.localAddress, on: reactor)
      await connection.close()
    }
    for text in ["localhost:no-such-service", "localhost", "/run/socket"] {
      let error = await #expect(throws: MultiplexError.self) { try await Listener.bind(to: text, on: reactor) }
      #expect(error?.reason == .unknownAddress)
    }
  }

  @Test("a string can be the path of a Unix socket", arguments: usableBackends)
  func unixPath(backend: Poller.Backend) async throws {
    let folder = try TemporaryFolder()
    let group = try ReactorGroup(count: 2, backend: backend)
    let reactor = group.next()
    for name in ["one", "several"] {
      let text = "unix:\(folder.file(name))"
      let listener: any ListenerProtocol =
        if name == "one" {
          try await Listener.bind(to: text, on: reactor)
        } else {
          try await ListenerGroup.bind(to: text, on: group)
        }
      #expect(listener.localAddress == .unix(path: folder.file(name)))
      async let serving: Void = listener.serve(echo)
      let client = try await Connection.connect(to: text, on: reactor)
      try await checkEcho(client)
      await client.close()
      await listener.shutDown(within: .seconds(100))
      await serving
    }
    let error = await #expect(throws: ConnectionError.self) { try await Connection.connect(to: "unix:", on: reactor) }
    guard case .unresolved = error?.reason else {
      Issue.record("\(String(describing: error))")
      return
    }
  }

  @Test("connections beyond the backlog aren't accepted")
  func backlog() async throws {
    let reactor = try Reactor()
    let listener = try await Listener.bind(to: "127.0.0.1:0", on: reactor, backlog: 0)
    let first = try await Connection.connect(to: listener.localAddress, on: reactor)
    let reason = await reason {
      _ = try await Connection.connect(to: listener.localAddress, on: reactor, timeout: .milliseconds(200))
    }
    #expect(reason == .timedOut)
    await first.close()
  }
}

extension SilentListener {
  /// Whether another client is trying to connect, as the kernel lists it: one whose SYN has no answer.
  fileprivate var isBeingTried: Bool {
    get throws {
      let own = try clients.map { try $0.localAddress().port }
      return try ListedSocket.all(in: .sendingRequest, otherPort: address.port).contains { !own.contains($0.port) }
    }
  }
}
