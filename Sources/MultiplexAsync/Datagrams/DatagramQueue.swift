internal import Multiplex
internal import SystemPackage

/// What a datagram socket is on its reactor's thread: the socket, and the tasks that wait for it.
final class DatagramQueue {
  /// Why a wait has ended.
  enum Wake: Sendable {
    case ready
    case cancelled
    case closed
  }

  /// What a call has failed with.
  struct Failure: Error {
    let reason: ConnectionError.Reason
  }

  /// One task that waits.
  private struct Wait {
    let waiter: Waiter<Wake>
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

  /// Takes the next datagram; nil if none has come. One from a sender without an address, which UDP doesn't have, is
  /// passed over.
  func receive() throws(Failure) -> Datagram? {
    let buffer = unsafe loop.driver.pool.take()
    defer { unsafe loop.driver.pool.give(back: buffer) }
    // The buffer is ours until it is given back, and has room for any datagram.
    let memory = unsafe UnsafeMutableRawBufferPointer(start: buffer.start, count: BufferPool.bufferSize)
    do throws(Errno) {
      while !isClosed {
        guard let (count, sender) = try unsafe socket?.receive(into: memory) else { return nil }
        guard let sender else { continue }
        return Datagram(bytes: unsafe [UInt8](memory[..<count]), sender: sender)
      }
    } catch {
      throw Failure(reason: .init(error))
    }
    throw Failure(reason: .closed)
  }

  /// - Returns: False if there is no room now.
  func send(_ bytes: [UInt8], to address: SocketAddress?) throws(Failure) -> Bool {
    do throws(Errno) {
      if let isSent = try socket?.send(bytes, to: address) { return isSent }
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

  func await(_ interest: Interest, _ id: UInt64, _ waiter: Waiter<Wake>, isCancelled: Bool) {
    guard !isCancelled else { return waiter.resume(returning: .cancelled) }
    guard let descriptor = socket?.rawDescriptor else { return waiter.resume(returning: .closed) }
    callsAtOnce = 0
    do {
      let readiness = try loop.driver.awaitReadiness(of: descriptor, for: interest) { [self] _ in end(id, .ready) }
      waits[id] = Wait(waiter: waiter, readiness: readiness)
    } catch {
      // The next call tells what is wrong.
      waiter.resume(returning: .ready)
    }
  }

  func cancel(_ id: UInt64) {
    end(id, .cancelled)
  }

  func close() {
    // The waits first: a descriptor that is waited for stays open.
    for id in waits.keys { end(id, .closed) }
    socket = nil
  }

  private func end(_ id: UInt64, _ wake: Wake) {
    guard let wait = waits.removeValue(forKey: id) else { return }
    wait.readiness.cancel()
    wait.waiter.resume(returning: wake)
  }
}
