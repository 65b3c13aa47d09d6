import Multiplex
import MultiplexAsync
import TestSupport
import Testing

/// A connection, and the plain socket that it is connected to: only the kernel is between the test and the other side.
struct RawPeer {
  let connection: Connection
  let socket: Socket

  /// Connects over loopback, or by a pair of Unix sockets.
  ///
  /// - Parameter bufferSize: The size of a Unix socket's send buffer, in bytes. A TCP socket with buffers smaller than
  ///   its segments waits a while for each of them.
  init(on reactor: Reactor, bufferSize: Int32? = nil) async throws {
    let (near, far) = try bufferSize == nil ? connectedPair() : Socket.pair()
    if let bufferSize { try near.set(.sendBuffer, to: bufferSize) }
    connection = try await Connection.adopt(near, on: reactor)
    socket = far
  }

  /// Uses the plain socket on its own thread, and then shuts it down, even if that side throws: otherwise the
  /// connection's side would wait forever for bytes, for room or for the end.
  func startOtherSide<Outcome>(
    _ body: @escaping @Sendable (Socket) throws -> Outcome
  ) throws -> SecondParty<Outcome> {
    // Duplicated here: the thread may start after the last use of the peer, when its socket has been closed.
    let descriptor = try OwnedDescriptor(duplicating: socket.fileDescriptor).release()
    return SecondParty {
      let socket = Socket(adopting: OwnedDescriptor(adopting: descriptor))
      defer { try? socket.shutdown(.both) }
      return try body(socket)
    }
  }

  /// Takes what has arrived: nil at the end of input, empty if nothing has arrived.
  private func takeNow(upTo count: Int) throws -> [UInt8]? {
    guard let bytes = try socket.receive(upTo: count) else { return [] }
    return bytes.isEmpty ? nil : bytes
  }

  /// Takes everything up to the end of input.
  func takeAll() async throws -> [UInt8] {
    var all: [UInt8] = []
    var isAtEnd = false
    _ = try await becomesTrue {
      while let bytes = try takeNow(upTo: 65_536) {
        guard !bytes.isEmpty else { return false }
        all += bytes
      }
      isAtEnd = true
      return true
    }
    try #require(isAtEnd, "the input ends")
    return all
  }

  /// Takes exactly `count` bytes.
  func take(_ count: Int) async throws -> [UInt8] {
    var all: [UInt8] = []
    _ = try await becomesTrue {
      while all.count < count {
        let bytes = try #require(try takeNow(upTo: count - all.count), "the input hasn't ended yet")
        guard !bytes.isEmpty else { return false }
        all += bytes
      }
      return true
    }
    try #require(all.count == count)
    return all
  }

  /// Closes the socket with a reset.
  func reset() throws {
    try socket.fileDescriptor.resetOnClose()
    socket.close()
  }

  /// Whether the other side has reset or ended the connection, as the kernel sees it.
  var isGone: Bool {
    !kernelReadiness(of: socket.fileDescriptor, for: .read).isDisjoint(with: [.readClosed, .hangUp, .error])
  }
}
