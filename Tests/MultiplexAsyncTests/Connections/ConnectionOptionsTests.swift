import Foundation
import Multiplex
import MultiplexAsync
import SystemPackage
import TestSupport
import Testing

@Suite("A connection's options and addresses", .timeLimit(.minutes(1)))
struct ConnectionOptionsTests {
  @Test("options that are set are those the kernel reports", arguments: usableBackends)
  func options(backend: Poller.Backend) async throws {
    let (near, far) = try connectedPair()
    // Another descriptor of the same socket: it has the same options.
    let twin = Socket(adopting: try OwnedDescriptor(duplicating: near.fileDescriptor))
    let connection = try await Connection.adopt(near, on: try Reactor(backend: backend))
    for value in [true, false] {
      try await connection.set(.keepAlive, to: value)
      #expect(try twin.value(of: .keepAlive) == value)
      try twin.set(.noDelay, to: value)
      #expect(try await connection.value(of: .noDelay) == value)
    }
    let error = await #expect(throws: MultiplexError.self) {
      _ = try await connection.value(of: SocketOption<Int32>(level: 12_345, name: 1))
    }
    #expect(error?.call == "getsockopt")
    withExtendedLifetime(far) {}
  }

  @Test("connections and listeners are described by their addresses and equal only to themselves")
  func values() async throws {
    let reactor = try Reactor()
    let listener = try await Listener.bind(to: "127.0.0.1:0", on: reactor)
    let first = try await Connection.connect(to: listener.localAddress, on: reactor)
    let second = try await Connection.connect(to: listener.localAddress, on: reactor)
    #expect("\(listener)" == "<listener at \(listener.localAddress)>")
    #expect("\(first)" == "<connection to \(listener.localAddress)>")
    #expect(first != second)
    #expect(Set([first, second, first]).count == 2)
  }

  @Test("the descriptor is lent, on the reactor's thread, while the connection is open", arguments: usableBackends)
  func descriptor(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    let peer = try await RawPeer(on: reactor)
    let connection = peer.connection
    let address = try await connection.withFileDescriptor { descriptor in
      #expect(reactor.isCurrent)
      return try Socket(adopting: OwnedDescriptor(duplicating: descriptor)).localAddress()
    }
    #expect(try await address == connection.localAddress())
    await #expect(throws: Errno.interrupted) {
      try await connection.withFileDescriptor { _ in throw Errno.interrupted }
    }
    connection.abort()
    let error = await #expect(throws: MultiplexError.self) { try await connection.withFileDescriptor { _ in } }
    #expect(error?.reason == .closed)
  }

  @Test("each side's local address is the other's peer address", arguments: usableBackends)
  func localAddress(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    let listener = try await Listener.bind(to: "127.0.0.1:0", on: reactor)
    let client = try await Connection.connect(to: listener.localAddress, on: reactor)
    let server = try #require(try await listener.accept())
    #expect(try await server.localAddress() == client.peerAddress)
    #expect(try await client.localAddress() == server.peerAddress)
  }

  @Test("a closed connection has no options and no local address", arguments: usableBackends)
  func closed(backend: Poller.Backend) async throws {
    let peer = try await RawPeer(on: try Reactor(backend: backend))
    await peer.connection.close()
    let errors = [
      await #expect(throws: MultiplexError.self) { _ = try await peer.connection.value(of: .noDelay) },
      await #expect(throws: MultiplexError.self) { try await peer.connection.set(.noDelay, to: true) },
      await #expect(throws: MultiplexError.self) { _ = try await peer.connection.localAddress() },
    ]
    #expect(errors.allSatisfy { $0?.reason == .closed })
  }
}
