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
  ///
  /// - Parameter direction: What to shut down; nil for nothing, if the connection's side ends by itself.
  func startOtherSide<Outcome>(
    shuttingDown direction: ShutdownDirection? = .both, _ body: @escaping @Sendable (Socket) throws -> Outcome
  ) throws -> SecondParty<Outcome> {
    try start { socket in
      defer { if let direction { try? socket.shutdown(direction) } }
      return try body(socket)
    }
  }

  /// Uses the plain socket on its own thread.
  private func start<Outcome>(_ body: @escaping @Sendable (Socket) throws -> Outcome) throws -> SecondParty<Outcome> {
    // Duplicated here: the thread may start after the last use of the peer, when its socket has been closed.
    let descriptor = try OwnedDescriptor(duplicating: socket.fileDescriptor).release()
    return SecondParty { try body(Socket(adopting: OwnedDescriptor(adopting: descriptor))) }
  }

  /// Takes everything up to the end of input.
  func takeAll() async throws -> [UInt8] {
    let (bytes, isAtEnd) = try await receive(upTo: .max)
    try #require(isAtEnd, "the input ends")
    return bytes
  }

  /// Takes exactly `count` bytes.
  func take(_ count: Int) async throws -> [UInt8] {
    let (bytes, isAtEnd) = try await receive(upTo: count)
    try #require(!isAtEnd, "the input hasn't ended yet")
    try #require(bytes.count == count)
    return bytes
  }

  /// Receives on its own thread. Here, each of the many small pieces that a small buffer allows would wait for the other
  /// tests.
  private func receive(upTo count: Int) async throws -> (bytes: [UInt8], isAtEnd: Bool) {
    let receiving = try start { try $0.receiveAll(upTo: count) }
    _ = await becomesTrue(within: .seconds(200)) { receiving.isDone }
    return try receiving.join()
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

extension Socket {
  /// Receives up to `count` bytes, or to the end of input. Blocks the thread.
  func receiveAll(upTo count: Int) throws -> (bytes: [UInt8], isAtEnd: Bool) {
    var all: [UInt8] = []
    while all.count < count, !(try select(reading: [self], timeout: .seconds(100)).isEmpty) {
      guard let bytes = try receive(upTo: min(count - all.count, 65_536)) else { continue }
      guard !bytes.isEmpty else { return (all, true) }
      all += bytes
    }
    return (all, false)
  }
}
