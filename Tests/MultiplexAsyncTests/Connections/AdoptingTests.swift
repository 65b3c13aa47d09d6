import Foundation
import Multiplex
import MultiplexAsync
import SystemPackage
import TestSupport
import Testing

@Suite("Adopting sockets", .timeLimit(.minutes(1)))
struct AdoptingTests {
  @Test("adopted sockets and connections know their peer's address", arguments: usableBackends)
  func peerAddress(backend: Poller.Backend) async throws {
    let (near, far) = try connectedPair()
    let socket = Socket(adopting: try near.take())
    #expect(socket.peerAddress == (try far.localAddress()))
    let connection = try await Connection.adopt(socket, on: try Reactor(backend: backend))
    #expect(connection.peerAddress == (try far.localAddress()))
  }

  @Test("a descriptor that can't be a connection is rejected and left unchanged", arguments: usableBackends)
  func unfitForConnection(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    let others = try Unconnected()
    for (socket, errno) in [(others.listening, Errno.invalidArgument), (others.pipeEnd, .notSocket)] {
      try await expectRefusal(of: socket, errno) { try await Connection.adopt($0, on: reactor) }
    }
  }

  @Test("a descriptor that can't be a listener is rejected and left unchanged", arguments: usableBackends)
  func unfitForListener(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    let (connected, far) = try Socket.pair()
    let others = try Unconnected()
    for (socket, errno) in [(connected, Errno.invalidArgument), (others.pipeEnd, .notSocket)] {
      try await expectRefusal(of: socket, errno) { try await Listener.adopt($0, on: reactor) }
    }
    withExtendedLifetime(far) {}
  }

  @Test("a datagram socket can't become a connection or a listener", arguments: usableBackends)
  func datagrams(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    let number = try Kernel.socket(AF_INET, Int32(SOCK_DGRAM.rawValue))
    let socket = Socket(adopting: OwnedDescriptor(adopting: number))
    try await expectRefusal(of: socket, .protocolWrongTypeForSocket) { try await Connection.adopt($0, on: reactor) }
    try await expectRefusal(of: socket, .protocolWrongTypeForSocket) { try await Listener.adopt($0, on: reactor) }
  }

  private func expectRefusal<Made>(
    of socket: Socket, _ errno: Errno, _ adopt: (Socket) async throws -> Made
  ) async throws {
    let error = await #expect(throws: MultiplexError.self) { _ = try await adopt(socket) }
    #expect(error?.errno == errno)
    #expect(error?.descriptor == socket.fileDescriptor)
    #expect(error?.advice != nil)
    if errno == .notSocket { #expect(error?.advice?.contains("Reactor.readiness") == true) }
    #expect(Kernel.isOpen(socket.fileDescriptor.rawValue))
  }
}

/// Descriptors that aren't connections.
private struct Unconnected {
  let listening: Socket
  let pipeEnd: Socket

  init() throws {
    listening = try Socket.listening(on: .ipv4(.loopback, port: 0))
    pipeEnd = Socket(adopting: try PipeDescriptors().reader.duplicate())
  }
}
