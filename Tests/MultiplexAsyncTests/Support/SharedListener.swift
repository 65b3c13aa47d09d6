import Multiplex
import MultiplexAsync

/// A listener, and another owner's descriptor of the same socket.
struct SharedListener {
  let listener: Listener
  let theirs: Socket

  init(at address: SocketAddress = .ipv4(.loopback, port: 0), on reactor: Reactor) async throws {
    theirs = try Socket.listening(on: address)
    let ours = Socket(adopting: try OwnedDescriptor(duplicating: theirs.fileDescriptor))
    listener = try await Listener.adopt(ours, on: reactor)
  }
}
