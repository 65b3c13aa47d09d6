internal import Multiplex
internal import SystemPackage

/// What a datagram socket is on its reactor's thread: the socket, and the tasks that wait for it.
final class DatagramQueue {
  /// What a call, or a wait, has failed with.
  struct Failure: Error {
    let reason: ConnectionError.Reason
  }

  /// One task that waits.
  private struct Wait {
    let waiter: Waiter<Failure?>
    let readiness: ReadinessWait
  }

  /// How many calls succeed at once before others have their turn.
  private static let share = 64

  private var socket: UDPSocket?
  private unowned let loop: EventLoop
  private var waits: [UInt64: Wait] = [:]
  private var lastID: UInt64 = 0
  private var callsAtOnce = 0

  init(_ socket: consuming UDPSocket, on loop: EventLoop) {
    self.socket = consume socket
    self.loop = loop
  }

  var isClosed: Bool { socket == nil }

  /// Takes the next datagram; nil if none has come.
  func receive() throws(Failure) -> Datagram? {
    guard !isClosed else { throw Failure(reason: .closed) }
    let buffer = unsafe loop.driver.pool.take()
    defer { unsafe loop.driver.pool.give(back: buffer) }
    // The buffer is ours until it is given back, and has room for any datagram.
    let memory = unsafe UnsafeMutableRawBufferPointer(start: buffer.start, count: BufferPool.bufferSize)
    do throws(Errno) {
      return try unsafe socket?.takeDatagram(by: memory)
    } catch {
      throw Failure(reason: .init(error))
    }
  }

  /// - Returns: False if there is no room now.
  func send(_ bytes: [UInt8], to address: SocketAddress?) throws(Failure) -> Bool {
    do throws(Errno) {
      if let isSent = try socket?.sendNow(bytes, to: address) { return isSent }
    } catch {
      throw Failure(reason: .init(error))
    }
    throw Failure(reason: .closed)
  }

  /// The lent descriptor; nil once the socket is closed.
  var openDescriptor: FileDescriptor? { socket?.fileDescriptor }

  /// Whether it is time to let others have their turn.
  func hasHadItsShare() -> Bool {
    callsAtOnce += 1
    guard callsAtOnce >= Self.share else { return false }
    callsAtOnce = 0
    return true
  }

  // MARK: Waiting

  /// Names a wait, so that a late cancellation hits no other.
  func makeID() -> UInt64 {
    lastID += 1
    return lastID
  }

  /// Goes on when another try is worth it, or with what the wait has failed with.
  func awaitReadiness(for interest: Interest, _ id: UInt64, _ waiter: Waiter<Failure?>, isCancelled: Bool) {
    guard !isCancelled else { return waiter.resume(returning: Failure(reason: .cancelled)) }
    guard let descriptor = socket?.rawDescriptor else { return waiter.resume(returning: Failure(reason: .closed)) }
    callsAtOnce = 0
    do {
      let readiness = try loop.driver.awaitReadiness(of: descriptor, for: interest) { [self] _ in end(id, nil) }
      waits[id] = Wait(waiter: waiter, readiness: readiness)
    } catch {
      waiter.resume(returning: Failure(reason: .init(error.errno)))
    }
  }

  func cancel(_ id: UInt64) {
    end(id, Failure(reason: .cancelled))
  }

  func close() {
    // The waits first: a descriptor that is waited for stays open.
    for id in waits.keys { end(id, Failure(reason: .closed)) }
    socket = nil
  }

  private func end(_ id: UInt64, _ failure: Failure?) {
    guard let wait = waits.removeValue(forKey: id) else { return }
    wait.readiness.cancel()
    wait.waiter.resume(returning: failure)
  }
}
