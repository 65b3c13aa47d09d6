#if ServiceLifecycle
  import Multiplex
  import MultiplexAsync
  import MultiplexServiceLifecycle
  import ServiceLifecycle
  import TestSupport
  import Testing

  @Suite("A listener as a service", .timeLimit(.minutes(2)))
  struct ListenerServiceTests {
    @Test("a graceful shutdown stops accepting, and lets connections finish", arguments: usableBackends)
    func drains(backend: Poller.Backend) async throws {
      let service = try await RunningService(on: backend)
      #expect(try await service.client.isEchoed([1]))
      await service.group.triggerGracefulShutdown()
      await expectRefusal(at: service.listener.localAddress, on: service.reactor)
      #expect(try await service.client.isEchoed([2]))
      await service.client.close()
      try await service.running.value
    }

    @Test("connections that remain at the deadline are closed", arguments: usableBackends)
    func drainTimeout(backend: Poller.Backend) async throws {
      let service = try await RunningService(on: backend, drainTimeout: .milliseconds(20))
      #expect(try await service.client.isEchoed([1]))
      await service.group.triggerGracefulShutdown()
      try await service.running.value
      #expect(try await service.client.read()?.count == nil)
    }

    @Test("idle client connections don't delay a shutdown that is told to close them")
    func closingIdle() async throws {
      let service = try await RunningService(on: .poll, closingIdleAfter: .milliseconds(20))
      #expect(try await service.client.isEchoed([1]))
      await service.group.triggerGracefulShutdown()
      try await service.running.value
      #expect(try await service.client.read()?.count == nil)
    }

    @Test("a handler can end by itself when it learns of the shutdown", arguments: usableBackends)
    func handlerLearns(backend: Poller.Backend) async throws {
      let service = try await RunningService(on: backend) { connection in
        try await connection.write([1])
        try await gracefulShutdown()
        try await connection.write([2])
      }
      #expect(try await service.client.read(exactly: 1) == [1])
      await service.group.triggerGracefulShutdown()
      #expect(try await service.client.read(exactly: 1) == [2])
      #expect(try await service.client.read()?.count == nil)
      try await service.running.value
    }

    @Test("cancelling the group closes everything at once", arguments: usableBackends)
    func cancelled(backend: Poller.Backend) async throws {
      let service = try await RunningService(on: backend)
      #expect(try await service.client.isEchoed([1]))
      service.running.cancel()
      _ = await service.running.result
      #expect(try await service.client.read()?.count == nil)
      await expectRefusal(at: service.listener.localAddress, on: service.reactor)
    }

    @Test("a shutdown that is cancelled in the middle stops waiting", arguments: usableBackends)
    func cancelledShutdown(backend: Poller.Backend) async throws {
      let service = try await RunningService(on: backend, drainTimeout: .seconds(1000))
      #expect(try await service.client.isEchoed([1]))
      await service.group.triggerGracefulShutdown()
      await expectRefusal(at: service.listener.localAddress, on: service.reactor)
      service.running.cancel()
      _ = await service.running.result
      #expect(try await service.client.read()?.count == nil)
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
      let service = try await RunningService(
        ListenerService(listeners, drainTimeout: .seconds(100), echo), of: listeners, on: reactors.next())
      #expect(try await service.client.isEchoed([1]))
      await service.group.triggerGracefulShutdown()
      await expectRefusal(at: service.listener.localAddress, on: service.reactor)
      await service.client.close()
      try await service.running.value
    }

    @Test("connections without a task may finish, and are closed at the deadline", arguments: usableBackends)
    func chunks(backend: Poller.Backend) async throws {
      for (drainTimeout, finishes) in [(Duration.seconds(100), true), (.milliseconds(20), false)] {
        let reactors = try ReactorGroup(count: 2, backend: backend)
        let listeners = try await ListenerGroup.bind(to: "127.0.0.1:0", on: reactors)
        let chunks = ListenerService(servingChunksOf: listeners, drainTimeout: drainTimeout) { _ in
          ChunkHandler { chunk, replies in replies.write(chunk) }
        }
        let service = try await RunningService(chunks, of: listeners, on: reactors.next())
        #expect(try await service.client.isEchoed([1]))
        await service.group.triggerGracefulShutdown()
        await expectRefusal(at: service.listener.localAddress, on: service.reactor)
        if finishes {
          #expect(try await service.client.isEchoed([2]))
          await service.client.close()
        } else {
          #expect(try await service.client.read()?.count == nil)
        }
        try await service.running.value
      }
    }

    @Test("logs identify the service by its address")
    func description() async throws {
      let listener = try await Listener.bind(to: "127.0.0.1:0", on: try Reactor())
      #expect("\(ListenerService(listener, echo))" == "listener at \(listener.localAddress)")
    }
  }

  /// A service that runs in a group, and a client that it serves.
  private struct RunningService {
    let reactor: Reactor
    let listener: any ListenerProtocol
    let group: ServiceGroup
    let running: Task<Void, any Error>
    let client: Connection

    init(
      on backend: Poller.Backend, drainTimeout: Duration = .seconds(100), closingIdleAfter rest: Duration? = nil,
      _ handler: @escaping @Sendable (Connection) async throws -> Void = echo
    ) async throws {
      let reactor = try Reactor(backend: backend)
      let listener = try await Listener.bind(to: "127.0.0.1:0", on: reactor)
      let service = ListenerService(listener, drainTimeout: drainTimeout, closingIdleAfter: rest, handler)
      try await self.init(service, of: listener, on: reactor)
    }

    /// - Parameter reactor: The client's.
    init(_ service: ListenerService, of listener: any ListenerProtocol, on reactor: Reactor) async throws {
      self.reactor = reactor
      self.listener = listener
      let group = ServiceGroup(services: [service])
      self.group = group
      running = Task { try await group.run() }
      client = try await Connection.connect(to: listener.localAddress, on: reactor)
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
  private func expectRefusal(at address: SocketAddress, on reactor: Reactor) async {
    #expect(
      await becomesTrue {
        do throws(ConnectionError) {
          _ = try await Connection.connect(to: address, on: reactor)
          return false
        } catch {
          return error.reason == .refused
        }
      })
  }
#endif
