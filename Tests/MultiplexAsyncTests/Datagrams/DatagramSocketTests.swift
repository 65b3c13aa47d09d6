import Multiplex
import MultiplexAsync
import SystemPackage
import TestSupport
import Testing

@Suite("DatagramSocket", .timeLimit(.minutes(5)))
struct DatagramSocketTests {
  /// Every backend with each address family.
  static let cases = usableBackends.flatMap { backend in
    ["127.0.0.1:0", "[::1]:0"].map { (backend, $0) }
  }

  @Test("a datagram arrives whole, with its sender's address, to which a reply can be sent", arguments: cases)
  func exchange(backend: Poller.Backend, address: String) async throws {
    let reactor = try Reactor(backend: backend)
    let server = try await DatagramSocket.bind(to: address, on: reactor)
    let client = try await DatagramSocket.bind(to: address, on: reactor)
    let messages: [[UInt8]] = [[1, 2, 3], [], [UInt8](repeating: 7, count: 9_000)]
    for message in messages { try await client.send(message, to: server.localAddress) }
    for message in messages {
      let datagram = try await server.receive()
      #expect(datagram == Datagram(bytes: message, sender: client.localAddress))
      try await server.send(datagram.bytes.reversed(), to: datagram.sender)
      #expect(try await client.receive() == Datagram(bytes: message.reversed(), sender: server.localAddress))
    }
  }

  @Test("bytes of any kind are sent, and received into memory", arguments: usableBackends)
  func memory(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    let server = try await DatagramSocket.bind(to: "127.0.0.1:0", on: reactor)
    let client = try DatagramSocket.connect(to: server.localAddress, on: reactor)
    let exchange = { @Sendable () async throws in
      let bytes = numbered(6)
      try await client.send(bytes.span)
      try await client.send(unsafe bytes.span.bytes, to: nil)
      try await client.send(bytes[2...])
      try await client.send("text")
      for expected in [bytes, bytes, Array(bytes[2...]), Array("text".utf8)] {
        #expect(try await receive(on: server, upTo: 8) == Datagram(bytes: expected, sender: client.localAddress))
      }
      // What doesn't fit is lost, and the next datagram is whole.
      for _ in 0..<3 { try await server.send(bytes.prefix(4), to: server.localAddress) }
      for room in [2, 0, 4] {
        let expected = Datagram(bytes: Array(bytes.prefix(room)), sender: server.localAddress)
        #expect(try await receive(on: server, upTo: room) == expected)
      }
    }
    try await exchange()
    try await reactor.run(exchange)
  }

  @Test("a receive into memory waits, also in an actor", arguments: usableBackends)
  func waitingReceive(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    let socket = try await DatagramSocket.bind(to: "127.0.0.1:0", on: reactor)
    let onReactor = Task(executorPreference: reactor) { try await receive(on: socket, upTo: 3).bytes }
    let inActor = Task(executorPreference: reactor) { try await Receiver().receive(on: socket).bytes }
    try await reactor.takeTurns()
    for _ in 0..<2 { try await socket.send([1, 2, 3], to: socket.localAddress) }
    #expect(try await onReactor.value == [1, 2, 3])
    #expect(try await inActor.value == [1, 2, 3])
    socket.close()
    let error = await #expect(throws: ConnectionError.self) { try await receive(on: socket, upTo: 3) }
    #expect(error?.reason == .closed)
  }

  private actor Receiver {
    func receive(on socket: DatagramSocket) async throws -> Datagram {
      try await MultiplexAsyncTests.receive(on: socket, upTo: 3)
    }
  }

  @Test("host names are resolved, and addresses parsed", arguments: usableBackends)
  func names(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    let server = try await DatagramSocket.bind(to: HostPort("localhost:0"), on: reactor)
    let port = try #require(server.localAddress.port)
    let clients = [
      try await DatagramSocket.connect(to: HostPort("localhost:\(port)"), on: reactor),
      try await DatagramSocket.connect(to: "\(server.localAddress)", on: reactor),
      try await DatagramSocket.connect(to: "localhost:\(port)", on: reactor),
    ]
    for client in clients {
      try await client.send([1])
      #expect(try await server.receive() == Datagram(bytes: [1], sender: client.localAddress))
    }
  }

  @Test("an adopted datagram socket becomes non-blocking", arguments: usableBackends)
  func adopted(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    let peer = try UDPSocket.bound(to: SocketAddress("127.0.0.1:0"))
    let original = try UDPSocket.connected(to: peer.localAddress())
    try original.setNonBlocking(false)
    let address = original.peerAddress
    let socket = try DatagramSocket.adopt(UDPSocket(adopting: original.take(), peerAddress: address), on: reactor)
    #expect(socket.description == "<datagram socket at \(socket.localAddress) connected to \(try peer.localAddress())>")
    let waiting = Task(executorPreference: reactor) { try await socket.receive() }
    try await socket.send([1, 2])
    #expect(await becomesTrue { (try? peer.receive())?.bytes == [1, 2] })
    #expect(try unsafe peer.send(([3, 4] as [UInt8]).span.bytes, to: socket.localAddress))
    #expect(try await waiting.value.bytes == [3, 4])
  }

  @Test("a descriptor that isn't a socket can't be adopted")
  func notAdopted() throws {
    let reactor = try Reactor()
    let error = #expect(throws: MultiplexError.self) {
      try DatagramSocket.adopt(UDPSocket(adopting: PipeDescriptors().reader.duplicate()), on: reactor)
    }
    #expect(error?.errno == .notSocket)
  }

  @Test("the longest datagram arrives whole")
  func longest() async throws {
    let reactor = try Reactor()
    let socket = try await DatagramSocket.bind(to: "127.0.0.1:0", on: reactor)
    let bytes = (0..<65_507).map { UInt8(truncatingIfNeeded: $0 &* 31 >> 3) }
    try await socket.send(bytes, to: socket.localAddress)
    #expect(try await socket.receive().bytes == bytes)
    let error = await #expect(throws: ConnectionError.self) {
      try await socket.send(bytes + [0], to: socket.localAddress)
    }
    #expect(error?.reason == .system(.messageTooLong))
    #expect(error?.operation == .send)
  }

  @Test("a connected datagram socket needs no address, and receives from no other", arguments: usableBackends)
  func connected(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    let server = try await DatagramSocket.bind(to: "127.0.0.1:0", on: reactor)
    let stranger = try await DatagramSocket.bind(to: "127.0.0.1:0", on: reactor)
    let client = try DatagramSocket.connect(to: server.localAddress, on: reactor)
    #expect(client.peerAddress == server.localAddress)
    try await client.send([1])
    #expect(try await server.receive() == Datagram(bytes: [1], sender: client.localAddress))
    try await stranger.send([9], to: client.localAddress)
    try await server.send([2], to: client.localAddress)
    #expect(try await client.receive() == Datagram(bytes: [2], sender: server.localAddress))
  }

  @Test("a connected datagram socket learns that nobody listens", arguments: usableBackends)
  func refused(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    let gone = try await DatagramSocket.bind(to: "127.0.0.1:0", on: reactor)
    let address = gone.localAddress
    let client = try DatagramSocket.connect(to: address, on: reactor)
    gone.close()
    await #expect(throws: ConnectionError.self) { try await gone.receive() }
    try await client.send([1])
    let error = await #expect(throws: ConnectionError.self) { try await client.receive() }
    #expect(error == ConnectionError(.refused, during: .receive, peer: address))
  }

  @Test("a waiting receive gets a later datagram, also in a task on another thread", arguments: usableBackends)
  func waiting(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    let socket = try await DatagramSocket.bind(to: "127.0.0.1:0", on: reactor)
    async let first = socket.receive()
    async let second = socket.receive()
    try await reactor.sleep(for: .milliseconds(1))
    try await socket.send([1], to: socket.localAddress)
    try await socket.send([2], to: socket.localAddress)
    #expect(Set([try await first.bytes, try await second.bytes]) == [[1], [2]])
  }

  @Test("a datagram socket has options until it is closed", arguments: usableBackends)
  func options(backend: Poller.Backend) async throws {
    let socket = try await DatagramSocket.bind(to: "127.0.0.1:0", on: Reactor(backend: backend))
    #expect(try await socket.value(of: .broadcast) == false)
    try await socket.set(.broadcast, to: true)
    #expect(try await socket.value(of: .broadcast) == true)
    // A copy of the descriptor is the same socket.
    let copy = try await socket.withFileDescriptor { try OwnedDescriptor(duplicating: $0).release() }
    #expect(try UDPSocket(adopting: OwnedDescriptor(adopting: copy)).localAddress() == socket.localAddress)
    socket.close()
    let error = await #expect(throws: MultiplexError.self) { try await socket.value(of: .broadcast) }
    #expect(error?.reason == .closed)
    await #expect(throws: MultiplexError.self) { try await socket.withFileDescriptor { $0 } }
  }

  @Test("cancelling a receive ends it at once and loses no datagram", arguments: usableBackends)
  func cancellation(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    let socket = try await DatagramSocket.bind(to: "127.0.0.1:0", on: reactor)
    for number in 0..<50 {
      let task = Task(executorPreference: reactor) { try await socket.receive().bytes }
      async let sent: Void = socket.send([UInt8(number)], to: socket.localAddress)
      task.cancel()
      try await sent
      // Either the task has it, or the next one gets it.
      let bytes: [UInt8]
      if let early = try? await task.value { bytes = early } else { bytes = try await socket.receive().bytes }
      #expect(bytes == [UInt8(number)])
    }
    let task = Task { try await socket.receive() }
    task.cancel()
    let error = await #expect(throws: ConnectionError.self) { try await task.value }
    #expect(error?.reason == .cancelled)
  }

  @Test("closing a datagram socket wakes its receivers and fails every later use")
  func closing() async throws {
    let reactor = try Reactor()
    let socket = try await DatagramSocket.bind(to: "127.0.0.1:0", on: reactor)
    let task = Task(executorPreference: reactor) { try await socket.receive() }
    try await reactor.sleep(for: .milliseconds(1))
    socket.close()
    socket.close()
    let error = await #expect(throws: ConnectionError.self) { try await task.value }
    #expect(error?.reason == .closed)
    let late = await #expect(throws: ConnectionError.self) { try await socket.send([1], to: socket.localAddress) }
    #expect(late?.reason == .closed)
    // The port is free again.
    _ = try DatagramSocket.bind(to: socket.localAddress, on: reactor)
  }

  @Test("the port of a socket that was waited for is free as soon as the socket is closed", arguments: usableBackends)
  func portAfterClosing(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    // In one of a few attempts: a child that is being created for an exit test has a copy of the socket.
    var isFree = false
    for _ in 0..<5 where !isFree {
      isFree = try await reactor.run {
        let socket = try await DatagramSocket.bind(to: "127.0.0.1:0", on: reactor)
        let receiving = Task(executorPreference: reactor) { try await socket.receive() }
        try await reactor.takeTurns()
        // No turn passes between the two calls.
        socket.close()
        let next = try? DatagramSocket.bind(to: socket.localAddress, on: reactor)
        #expect(await reason { _ = try await receiving.value } == .closed)
        return next?.localAddress == socket.localAddress
      }
    }
    #expect(isFree)
  }

  @Test("the port of a datagram socket is free once the last reference is gone")
  func lastReference() async throws {
    let reactor = try Reactor()
    var socket: DatagramSocket? = try await DatagramSocket.bind(to: "127.0.0.1:0", on: reactor)
    let address = try #require(socket?.localAddress)
    #expect(throws: MultiplexError.self) { try DatagramSocket.bind(to: address, on: reactor) }
    socket = nil
    #expect(await becomesTrue(within: .seconds(60)) { (try? DatagramSocket.bind(to: address, on: reactor)) != nil })
    _ = socket
  }

  @Test("a datagram socket that always has more to receive doesn't starve other tasks")
  func fairness() async throws {
    let reactor = try Reactor()
    let socket = try await DatagramSocket.bind(to: "127.0.0.1:0", on: reactor)
    let rounds = Counter()
    let flood = Task(executorPreference: reactor) {
      while !Task.isCancelled {
        try await socket.send([1], to: socket.localAddress)
        _ = try await socket.receive()
        rounds.add()
      }
    }
    #expect(await becomesTrue { rounds.value > 0 })
    // The timers share the flood's thread: they never fire if it doesn't let them.
    for _ in 0..<10 { try await reactor.sleep(for: .milliseconds(1)) }
    flood.cancel()
    // The flood went on until now.
    if case .failure(let error) = await flood.result {
      #expect((error as? ConnectionError)?.reason == .cancelled, "\(error)")
    }
  }

  #if MULTIPLEX_FAULTS
    @Test("a receive that can't wait for its socket fails instead of retrying forever")
    func noWait() async throws {
      let plan = FaultPlan(seed: 1, oneIn: 1, faults: [.epoll_ctl: [.noSpace]])
      let reactor = try Reactor(backend: .epoll)
      let socket = try await DatagramSocket.bind(to: "127.0.0.1:0", on: reactor)
      let failure = await FaultPlan.$current.withValue(plan) { await reason { _ = try await socket.receive() } }
      #expect(failure == .system(.noSpace))
      // The socket is still usable.
      try await socket.send([1], to: socket.localAddress)
      #expect(try await socket.receive().bytes == [1])
    }
  #endif

  @Test("a datagram socket rejects the path of a Unix socket")
  func unixPath() throws {
    let reactor = try Reactor()
    let error = #expect(throws: MultiplexError.self) {
      try DatagramSocket.bind(to: .unix(path: "/tmp/nothing"), on: reactor)
    }
    #expect(error?.reason == .invalidArgument)
  }
}

/// Receives a datagram into memory; what it doesn't fill has to stay as it is.
private func receive(on socket: DatagramSocket, upTo room: Int) async throws -> Datagram {
  var bytes = [UInt8](repeating: 255, count: room)
  var memory = bytes.mutableSpan
  let (count, sender) = try await socket.receive(into: &memory)
  #expect(bytes[count...].allSatisfy { $0 == 255 })
  return Datagram(bytes: Array(bytes[..<count]), sender: sender)
}
