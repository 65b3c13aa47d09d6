#if FlyingFox
  import FlyingSocks
  import Foundation
  import Multiplex
  import MultiplexAsync
  import MultiplexFlyingFox
  import SystemPackage
  import TestSupport
  import Testing

  @Suite("FlyingFox's sockets on a reactor", .timeLimit(.minutes(1)))
  struct ReactorSocketPoolTests {
    @Test("suspending waits until a socket is ready for the requested events", arguments: usableBackends)
    func waits(backend: Poller.Backend) async throws {
      let pool = ReactorSocketPool(on: try Reactor(backend: backend))
      let (near, far) = try connectedPair()
      let socket = FlyingSocks.Socket(file: .init(rawValue: near.fileDescriptor.rawValue))
      try await pool.suspendSocket(socket, untilReadyFor: .write)
      try await pool.suspendSocket(socket, untilReadyFor: [.read, .write])
      try await pool.suspendSocket(socket, untilReadyFor: [])
      let waiting = Task { try await pool.suspendSocket(socket, untilReadyFor: .read) }
      try far.sendAll([1])
      try await waiting.value
      #expect(kernelReadiness(of: near.fileDescriptor, for: .read).contains(.readable))
    }

    @Test("a wait ends when it is cancelled, and when the peer goes away", arguments: usableBackends)
    func ends(backend: Poller.Backend) async throws {
      let pool = ReactorSocketPool(on: try Reactor(backend: backend))
      let (near, far) = try connectedPair()
      let socket = FlyingSocks.Socket(file: .init(rawValue: near.fileDescriptor.rawValue))
      let cancelled = Task { try await pool.suspendSocket(socket, untilReadyFor: .read) }
      cancelled.cancel()
      await #expect(throws: CancellationError.self) { try await cancelled.value }
      let waiting = Task { try await pool.suspendSocket(socket, untilReadyFor: .read) }
      far.close()
      try await waiting.value
    }

    @Test("waiting for a socket that isn't open fails", arguments: usableBackends)
    func notOpen(backend: Poller.Backend) async throws {
      let pool = ReactorSocketPool(on: try Reactor(backend: backend))
      await #expect(throws: MultiplexError.self) {
        try await pool.suspendSocket(FlyingSocks.Socket(file: .init(rawValue: -1)), untilReadyFor: .read)
      }
    }

    @Test("running the pool lasts until it is cancelled")
    func run() async throws {
      let pool = ReactorSocketPool(on: try Reactor())
      pool.prepare()
      let running = Task { try await pool.run() }
      running.cancel()
      await #expect(throws: CancellationError.self) { try await running.value }
    }

    @Test("FlyingFox's own client and server sockets exchange bytes", arguments: usableBackends)
    func exchange(backend: Poller.Backend) async throws {
      let reactor = try Reactor(backend: backend)
      let listener = try await Listener.bind(to: "127.0.0.1:0", on: reactor)
      let serving = Task {
        await listener.serve { connection in
          while let chunk = try await connection.read() { try await connection.write(chunk) }
        }
      }
      let port = try #require(listener.localAddress.port)
      for _ in 0..<20 {
        // A number is used by one socket after the other.
        let socket = try await AsyncSocket.connected(
          to: .inet(ip4: "127.0.0.1", port: port), pool: .reactor(reactor), timeout: 60)
        try await socket.write(Data([1, 2, 3]))
        #expect(try await socket.read(bytes: 3) == [1, 2, 3])
        try socket.close()
      }
      await listener.shutDown(within: .seconds(30))
      await serving.value
    }
  }
#endif
