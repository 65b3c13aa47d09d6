#if ServiceLifecycle
  import Multiplex
  import MultiplexAsync
  import MultiplexServiceLifecycle
  import ServiceLifecycle
  import Testing

  @Suite("A listener as a service", .timeLimit(.minutes(2)))
  struct ListenerServiceTests {
    @Test("a graceful shutdown accepts no more, and lets the connections finish", arguments: usableBackends)
    func drains(backend: Poller.Backend) async throws {
      let reactor = try Reactor(backend: backend)
      let listener = try await Listener.bind(to: "127.0.0.1:0", on: reactor)
      let group = ServiceGroup(services: [ListenerService(listener, drainTimeout: .seconds(100), echo)])
      let running = Task { try await group.run() }
      let client = try await Connection.connect(to: listener.localAddress, on: reactor)
      #expect(try await client.isEchoed([1]))
      await group.triggerGracefulShutdown()
      try await expectRefusal(at: listener.localAddress, on: reactor)
      #expect(try await client.isEchoed([2]))
      await client.close()
      try await running.value
    }

    @Test("connections that are left when the time is up are closed", arguments: usableBackends)
    func drainTimeout(backend: Poller.Backend) async throws {
      let reactor = try Reactor(backend: backend)
      let listener = try await Listener.bind(to: "127.0.0.1:0", on: reactor)
      let group = ServiceGroup(services: [ListenerService(listener, drainTimeout: .milliseconds(20), echo)])
      let running = Task { try await group.run() }
      let client = try await Connection.connect(to: listener.localAddress, on: reactor)
      #expect(try await client.isEchoed([1]))
      await group.triggerGracefulShutdown()
      try await running.value
      #expect(try await client.read()?.count == nil)
    }

    @Test("a handler can end by itself when it learns of the shutdown", arguments: usableBackends)
    func handlerLearns(backend: Poller.Backend) async throws {
      let reactor = try Reactor(backend: backend)
      let listener = try await Listener.bind(to: "127.0.0.1:0", on: reactor)
      let service = ListenerService(listener, drainTimeout: .seconds(100)) { connection in
        try await connection.write([1])
        try await gracefulShutdown()
        try await connection.write([2])
      }
      let group = ServiceGroup(services: [service])
      let running = Task { try await group.run() }
      let client = try await Connection.connect(to: listener.localAddress, on: reactor)
      #expect(try await client.read(exactly: 1) == [1])
      await group.triggerGracefulShutdown()
      #expect(try await client.read(exactly: 1) == [2])
      #expect(try await client.read()?.count == nil)
      try await running.value
    }

    @Test("cancelling the group closes everything at once", arguments: usableBackends)
    func cancelled(backend: Poller.Backend) async throws {
      let reactor = try Reactor(backend: backend)
      let listener = try await Listener.bind(to: "127.0.0.1:0", on: reactor)
      let group = ServiceGroup(services: [ListenerService(listener, drainTimeout: .seconds(100), echo)])
      let running = Task { try await group.run() }
      let client = try await Connection.connect(to: listener.localAddress, on: reactor)
      #expect(try await client.isEchoed([1]))
      running.cancel()
      _ = await running.result
      #expect(try await client.read()?.count == nil)
      try await expectRefusal(at: listener.localAddress, on: reactor)
    }

    @Test("a shutdown that is cancelled in its middle waits no longer", arguments: usableBackends)
    func cancelledShutdown(backend: Poller.Backend) async throws {
      let reactor = try Reactor(backend: backend)
      let listener = try await Listener.bind(to: "127.0.0.1:0", on: reactor)
      let group = ServiceGroup(services: [ListenerService(listener, drainTimeout: .seconds(1000), echo)])
      let running = Task { try await group.run() }
      let client = try await Connection.connect(to: listener.localAddress, on: reactor)
      #expect(try await client.isEchoed([1]))
      await group.triggerGracefulShutdown()
      try await expectRefusal(at: listener.localAddress, on: reactor)
      running.cancel()
      _ = await running.result
      #expect(try await client.read()?.count == nil)
    }

    @Test("the service ends with its listener, also without a group", arguments: usableBackends)
    func closed(backend: Poller.Backend) async throws {
      let reactor = try Reactor(backend: backend)
      let listener = try await Listener.bind(to: "127.0.0.1:0", on: reactor)
      let service = ListenerService(listener, maximumConnections: 1, echo)
      let running = Task { await service.run() }
      let client = try await Connection.connect(to: listener.localAddress, on: reactor)
      #expect(try await client.isEchoed([1]))
      listener.close()
      #expect(try await client.isEchoed([2]))
      await client.close()
      await running.value
    }

    @Test("the listeners of several reactors are one service", arguments: usableBackends)
    func listenerGroup(backend: Poller.Backend) async throws {
      let reactors = try ReactorGroup(count: 2, backend: backend)
      let listeners = try await ListenerGroup.bind(to: "127.0.0.1:0", on: reactors)
      let group = ServiceGroup(services: [ListenerService(listeners, drainTimeout: .seconds(100), echo)])
      let running = Task { try await group.run() }
      let reactor = reactors.next()
      let client = try await Connection.connect(to: listeners.localAddress, on: reactor)
      #expect(try await client.isEchoed([1]))
      await group.triggerGracefulShutdown()
      try await expectRefusal(at: listeners.localAddress, on: reactor)
      await client.close()
      try await running.value
    }

    @Test("logs call the service by its address")
    func description() async throws {
      let listener = try await Listener.bind(to: "127.0.0.1:0", on: try Reactor())
      #expect("\(ListenerService(listener, echo))" == "listener at \(listener.localAddress)")
    }
  }

  @Sendable
  private func echo(_ connection: Connection) async throws {
    while let chunk = try await connection.read() { try await connection.write(chunk) }
  }

  extension Connection {
    fileprivate func isEchoed(_ bytes: [UInt8]) async throws -> Bool {
      try await write(bytes)
      return try await read(exactly: bytes.count) == bytes
    }
  }

  /// Waits until nobody listens at an address any more.
  private func expectRefusal(at address: SocketAddress, on reactor: Reactor) async throws {
    var reason: ConnectionError.Reason?
    let deadline = ContinuousClock.now + .seconds(30)
    while reason != .refused, ContinuousClock.now < deadline {
      do {
        _ = try await Connection.connect(to: address, on: reactor)
        try await reactor.sleep(for: .milliseconds(2))
      } catch let error as ConnectionError {
        reason = error.reason
      }
    }
    #expect(reason == .refused)
  }
#endif
