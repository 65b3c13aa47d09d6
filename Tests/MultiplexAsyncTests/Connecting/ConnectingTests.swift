import Multiplex
import MultiplexAsync
import TestSupport
import Testing

@Suite("Connecting", .timeLimit(.minutes(2)))
struct ConnectingTests {
  @Test("a socket with an address of its own can be connected, and is taken over", arguments: usableBackends)
  func ownSocket(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    let listener = try Socket.listening(on: SocketAddress("127.0.0.1:0"))
    let address = try listener.localAddress()
    let socket = try Socket.unbound(for: address)
    try socket.bind(to: SocketAddress("127.0.0.2:0"))
    try socket.setNonBlocking(false)
    let connection = try await Connection.connect(socket, to: address, on: reactor)
    #expect(throws: MultiplexError.self) { try socket.send([1]) }
    #expect(connection.peerAddress == address)
    let accepted = try listener.acceptNext()
    #expect(accepted.peerAddress?.description.hasPrefix("127.0.0.2:") == true)
    try await connection.write("x")
    #expect(try await becomesTrue { try accepted.receive(upTo: 1) == Array("x".utf8) })
    await connection.close()
    #expect(
      await becomesTrue { !kernelReadiness(of: accepted.fileDescriptor, for: .read).isDisjoint(with: [.readClosed]) })
  }

  @Test("a socket that can't be connected is closed", arguments: usableBackends)
  func ownSocketRefused(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    let unused = try UnusedAddress()
    let (near, far) = try Socket.pair()
    let error = await #expect(throws: ConnectionError.self) {
      try await Connection.connect(near, to: unused.address, on: reactor)
    }
    #expect(error?.operation == .connect)
    #expect(
      await becomesTrue {
        !kernelReadiness(of: far.fileDescriptor, for: .read).isDisjoint(with: [.readClosed, .hangUp])
      })
    withExtendedLifetime(unused) {}
  }

  @Test("a socket that the kernel connects to itself, as nobody listens there, is refused", arguments: usableBackends)
  func itself(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    let socket = try Socket.unbound(for: .ipv4(.loopback, port: 0))
    try socket.bind(to: .ipv4(.loopback, port: 0))
    let address = try socket.localAddress()
    #expect(await reason { _ = try await Connection.connect(socket, to: address, on: reactor) } == .refused)
  }

  @Test("connecting where nobody listens is refused", arguments: usableBackends)
  func refused(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    let unused = try UnusedAddress()
    defer { withExtendedLifetime(unused) {} }
    let address = unused.address
    do {
      _ = try await Connection.connect(to: address, on: reactor)
      Issue.record("connected to nobody")
    } catch {
      #expect(error.reason == .refused)
      #expect(error.operation == .connect)
      #expect(error.peer == address)
    }
    let folder = try TemporaryFolder()
    await #expect(throws: ConnectionError.self) {
      _ = try await Connection.connect(to: .unix(path: folder.file("none")), on: reactor)
    }
  }

  @Test("connecting to a server that doesn't answer times out, and not early", arguments: usableBackends)
  func timedOut(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    let silent = try SilentListener()
    defer { withExtendedLifetime(silent) {} }
    let start = ContinuousClock.now
    let limit = Duration.milliseconds(50)
    let reason = await reason {
      _ = try await Connection.connect(to: silent.address, on: reactor, timeout: limit)
    }
    #expect(reason == .timedOut)
    #expect(ContinuousClock.now - start >= limit)
  }

  @Test(
    "connecting to a server that doesn't answer can be cancelled", arguments: usableBackends,
    [nil, Duration.seconds(1000)])
  func cancelled(backend: Poller.Backend, timeout: Duration?) async throws {
    let reactor = try Reactor(backend: backend)
    let silent = try SilentListener()
    defer { withExtendedLifetime(silent) {} }
    let address = silent.address
    let before = try heldSockets(to: address)
    for isLate in [true, false] {
      let connecting = Task { try await Connection.connect(to: address, on: reactor, timeout: timeout) }
      if isLate { try await reactor.sleep(for: .milliseconds(5)) }
      connecting.cancel()
      #expect(await reason { _ = try await connecting.value } == .cancelled)
    }
    // Abandoned attempts are closed.
    #expect(try await becomesTrue { try heldSockets(to: address) == before })
  }

  @Test(
    "connecting waits for a Unix listener whose queue is full, as it does for one at an IP address",
    arguments: usableBackends)
  func fullUnixListener(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    let folder = try TemporaryFolder()
    let address = SocketAddress.unix(path: folder.file("socket"))
    let listener = try Socket.listening(on: address, backlog: 0)
    var clients: [Socket] = []
    while let client = try? Socket.connecting(to: address), clients.count < 100 { clients.append(client) }
    #expect(
      await reason { _ = try await Connection.connect(to: address, on: reactor, timeout: .milliseconds(30)) }
        == .timedOut)
    async let connection = Connection.connect(to: address, on: reactor, timeout: .seconds(100))
    for _ in clients { _ = try listener.accept() }
    try await connection.write("late")
    let accepted = try #require(try listener.accept())
    #expect(await becomesTrue { kernelReadiness(of: accepted.fileDescriptor, for: .read) == [.readable] })
    #expect(try accepted.receive(upTo: 10) == Array("late".utf8))
    withExtendedLifetime(clients) {}
  }

  @Test("a connection knows its peer's address", arguments: usableBackends)
  func peerAddress(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    let listener = try await Listener.bind(to: "127.0.0.1:0", on: reactor)
    let client = try await Connection.connect(to: listener.localAddress, on: reactor, timeout: .seconds(30))
    let server = try #require(try await listener.accept())
    #expect(client.peerAddress == listener.localAddress)
    #expect(server.peerAddress != nil)
    #expect(server.peerAddress != listener.localAddress)
  }
}
