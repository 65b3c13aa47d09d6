#if MULTIPLEX_FAULTS
  import CMultiplex
  import Multiplex
  import SystemPackage
  import TestSupport
  import Testing

  /// The kernel may answer any call with EINTR or EAGAIN, and may transfer fewer bytes than requested. Nothing may be
  /// lost. Here it does so all the time, in an order that the seed reproduces.
  @Suite("Faults") struct FaultTests {
    private static let seeds: ClosedRange<UInt64> = 1...40

    private static let transfers: [SystemCall: [Errno]] = [
      .send: [.interrupted, .wouldBlock], .recv: [.interrupted, .wouldBlock],
      .read: [.interrupted, .wouldBlock], .write: [.interrupted, .wouldBlock],
    ]
    private static let waits: [SystemCall: [Errno]] = [
      .pselect: [.interrupted], .ppoll: [.interrupted], .epoll_wait: [.interrupted], .epoll_pwait2: [.interrupted],
      .io_uring_enter: [.interrupted],
    ]
    private static let accepts: [SystemCall: [Errno]] = [
      .accept4: [
        .interrupted, .wouldBlock, .connectionAbort, .networkDown, .protocolError, .hostIsDown, .noRouteToHost,
        .networkUnreachable, Errno(rawValue: ENONET),
      ]
    ]

    @Test("under faults, receiving loses no byte and invents no end of input", arguments: seeds)
    func receiving(seed: UInt64) throws {
      let (left, right) = try Socket.pair()
      let sent = text(seed: seed)
      try left.sendAll(sent)
      left.close()
      let plan = FaultPlan(seed: seed, oneIn: 3, faults: Self.transfers)
      let received = try FaultPlan.$current.withValue(plan) { try everything(from: right) }
      #expect(received == sent)
      #expect(plan.injected > 0)
    }

    @Test("under faults, sending what there is room for sends nothing twice and loses nothing", arguments: seeds)
    func sending(seed: UInt64) throws {
      let (left, right) = try Socket.pair()
      let bytes = text(seed: seed)
      let plan = FaultPlan(seed: seed, oneIn: 3, faults: Self.transfers)
      try FaultPlan.$current.withValue(plan) {
        var rest = bytes[...]
        for _ in 0..<10_000 where !rest.isEmpty {
          rest = rest.dropFirst(try left.send(rest.prefix(100)) ?? 0)
        }
        #expect(rest.isEmpty)
      }
      left.close()
      #expect(try everything(from: right) == bytes)
      #expect(plan.injected > 0)
    }

    @Test(
      "under faults, sending everything sends it once, through interrupted waits",
      arguments: 1...10 as ClosedRange<UInt64>)
    func sendingAll(seed: UInt64) throws {
      let listener = try Socket.listening(on: .ipv4(.loopback, port: 0))
      let address = try listener.localAddress()
      let reader = SecondParty { try everything(from: try Socket.connected(to: address)) }
      _ = try select(reading: [listener])
      let socket = try #require(try listener.accept())
      // There isn't room for everything, so that there is something to wait for.
      try socket.set(.sendBuffer, to: 4096)
      let bytes = (0..<100).flatMap { text(seed: seed &+ $0) }
      let plan = FaultPlan(seed: seed, oneIn: 2, faults: Self.transfers.merging(Self.waits) { first, _ in first })
      try FaultPlan.$current.withValue(plan) { try socket.sendAll(bytes, timeout: .seconds(30)) }
      socket.close()
      #expect(try reader.join() == bytes)
      #expect(plan.injected > 0)
    }

    @Test("under faults, a pipe loses no byte", arguments: seeds)
    func pipes(seed: UInt64) throws {
      let pipe = try PipeDescriptors()
      let sent = text(seed: seed)
      var received: [UInt8] = []
      let plan = FaultPlan(seed: seed, oneIn: 3, faults: Self.transfers)
      try FaultPlan.$current.withValue(plan) {
        var rest = sent[...]
        for _ in 0..<10_000 where received.count < sent.count {
          let count = try unsafe rest.withUnsafeBytes { try unsafe pipe.writer.write($0.bytes.extracting(first: 300)) }
          rest = rest.dropFirst(count ?? 0)
          received += try pipe.reader.take(upTo: 700).map { Array($0.utf8) } ?? []
        }
      }
      #expect(received == sent)
      #expect(plan.injected > 0)
    }

    @Test("under faults, accept returns every connection once", arguments: seeds)
    func accepting(seed: UInt64) throws {
      let listener = try Socket.listening(on: .ipv4(.loopback, port: 0))
      let address = try listener.localAddress()
      let clients = try (0..<20).map { _ in try Socket.connected(to: address) }
      var accepted: [Socket] = []
      let plan = FaultPlan(seed: seed, oneIn: 2, faults: Self.accepts)
      try FaultPlan.$current.withValue(plan) {
        for _ in 0..<10_000 where accepted.count < clients.count {
          if let socket = try listener.accept() { accepted.append(socket) }
        }
      }
      #expect(try listener.accept() == nil)
      let addresses = try clients.map { try $0.localAddress() }
      #expect(accepted.map(\.peerAddress) == addresses)
      #expect(plan.injected > 0)
    }

    @Test(
      "an accept that can't get a descriptor is an error, and the connection stays pending",
      arguments: [Errno.tooManyOpenFiles, .tooManyOpenFilesInSystem, .noBufferSpace, .noMemory])
    func acceptWithoutRoom(errno: Errno) throws {
      let listener = try Socket.listening(on: .ipv4(.loopback, port: 0))
      let client = try Socket.connected(to: try listener.localAddress())
      _ = try select(reading: [listener])
      let plan = FaultPlan(seed: 1, oneIn: 1, faults: [.accept4: [errno]])
      let error = FaultPlan.$current.withValue(plan) {
        #expect(throws: MultiplexError.self) { try listener.accept() }
      }
      #expect(error?.errno == errno)
      #expect(error?.descriptor == listener.fileDescriptor)
      #expect(try listener.accept()?.peerAddress == client.localAddress())
    }

    @Test(
      "under faults, an echo through a poller loses no byte and no connection", arguments: usableBackends,
      Array(1...10 as ClosedRange<UInt64>))
    func echo(backend: Poller.Backend, seed: UInt64) throws {
      let faults = [Self.transfers, Self.waits, Self.accepts].reduce([:]) { $0.merging($1) { first, _ in first } }
      let plan = FaultPlan(seed: seed, oneIn: 3, faults: faults)
      let listener = try Socket.listening(on: .ipv4(.loopback, port: 0))
      let address = try listener.localAddress()
      let clients = try (0..<5).map { _ in try Socket.connected(to: address) }
      let messages = clients.indices.map { text(seed: seed &* 100 &+ UInt64($0)) }
      for (client, message) in zip(clients, messages) {
        try client.sendAll(message)
        try client.shutdown(.writing)
      }
      try FaultPlan.$current.withValue(plan) { try serve(listener, clients.count, backend) }
      for (client, message) in zip(clients, messages) {
        #expect(try everything(from: client) == message)
      }
      #expect(plan.injected > 0)
    }

    @Test("interruptions neither end a wait early nor make it start over", arguments: usableBackends)
    func interruptedWait(backend: Poller.Backend) throws {
      let poller = try Poller(backend: backend)
      let pipe = try PipeDescriptors()
      try poller.register(pipe.reader, for: .read)
      let plan = FaultPlan(seed: 3, oneIn: 2, faults: Self.waits)
      try FaultPlan.$current.withValue(plan) {
        for _ in 0..<20 {
          let start = ContinuousClock.now
          let isEmpty = try poller.wait(timeout: .milliseconds(2)).isEmpty
          #expect(isEmpty)
          #expect(ContinuousClock.now - start >= .milliseconds(2))
        }
      }
      #expect(plan.injected > 0)
    }

    @Test("under faults, a wake is neither lost nor repeated", arguments: usableBackends)
    func wakes(backend: Poller.Backend) throws {
      let poller = try Poller(backend: backend)
      let plan = FaultPlan(
        seed: 5, oneIn: 2, faults: Self.waits.merging([.write: [.interrupted]]) { first, _ in first })
      try FaultPlan.$current.withValue(plan) {
        for _ in 0..<50 {
          poller.waker.wake()
          let first = try poller.wait(timeout: .seconds(30)).wasWoken
          let second = try poller.wait(timeout: .zero).wasWoken
          #expect(first && !second)
        }
      }
      #expect(plan.injected > 0)
    }

    @Test(
      "without epoll_pwait2 an epoll instance waits in milliseconds, and no less than requested",
      arguments: [Errno.noFunction, .notPermitted])
    func withoutNanoseconds(errno: Errno) throws {
      let plan = FaultPlan(seed: 1, oneIn: 1, faults: [.epoll_pwait2: [errno]])
      let epoll = try Epoll()
      try FaultPlan.$current.withValue(plan) {
        for microseconds in [1, 900, 1100, 5000] {
          let start = ContinuousClock.now
          let events = try epoll.wait(timeout: .microseconds(microseconds))
          #expect(events == [])
          #expect(ContinuousClock.now - start >= .microseconds(microseconds))
        }
      }
      // The missing call was tried once, and not again.
      #expect(plan.injected == 1)
    }

    @Test("a seed repeats its faults, and calls without faults in the plan are left alone")
    func plans() throws {
      func run(seed: UInt64) throws -> [Int?] {
        let pipe = try PipeDescriptors()
        let plan = FaultPlan(seed: seed, oneIn: 2, faults: [.write: [.wouldBlock], .read: []])
        return try FaultPlan.$current.withValue(plan) {
          try (0..<50).map { _ in
            let bytes = [UInt8](repeating: 0, count: 50)
            return try pipe.writer.write(unsafe bytes.span.bytes)
          }
        }
      }
      #expect(try run(seed: 1) == run(seed: 1))
      #expect(try run(seed: 1) != run(seed: 2))
    }

    // MARK: Helpers

    /// Some kilobytes of text, for which a socket has room at once.
    private func text(seed: UInt64) -> [UInt8] {
      var random = SeededGenerator(seed: seed)
      return (0..<Int.random(in: 3000...8000, using: &random)).map { _ in UInt8.random(in: 32...126, using: &random) }
    }

    /// Receives to the end of input.
    private func everything(from socket: Socket) throws -> [UInt8] {
      var bytes: [UInt8] = []
      for _ in 0..<100_000 {
        guard let received = try socket.receive(upTo: 100) else {
          _ = try select(reading: [socket])
          continue
        }
        if received.isEmpty { return bytes }
        bytes += received
      }
      return bytes
    }

    /// Accepts `count` connections, and echoes what each sends until its end of input.
    private func serve(_ listener: Socket, _ count: Int, _ backend: Poller.Backend) throws {
      let poller = try Poller(backend: backend)
      var connections: [FileDescriptor: Socket] = [:]
      var accepted = 0
      try poller.register(listener, for: .read)
      for _ in 0..<100_000 where accepted < count || !connections.isEmpty {
        for event in try poller.wait(timeout: .seconds(30)) {
          if event.descriptor == listener.fileDescriptor {
            guard let socket = try listener.accept() else { continue }
            accepted += 1
            connections[socket.fileDescriptor] = socket
            try poller.register(socket, for: .read)
          } else if let socket = connections[event.descriptor], let bytes = try socket.receive(upTo: 500) {
            try socket.sendAll(bytes)
            guard bytes.isEmpty else { continue }
            try poller.unregister(socket)
            connections[event.descriptor] = nil
            socket.close()
          }
        }
      }
      #expect(accepted == count)
    }
  }
#endif
