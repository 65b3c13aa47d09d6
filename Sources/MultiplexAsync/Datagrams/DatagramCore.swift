internal import Multiplex
internal import SystemPackage

/// A datagram socket's state on its reactor's thread: the socket, and the tasks that wait for it.
final class DatagramCore {
  /// The failure of a call or a wait.
  struct Failure: Error {
    let reason: ConnectionError.Reason
  }

  /// One waiting task.
  private struct Wait {
    let waiter: Waiter<Failure?>
    let readiness: ReadinessWait
  }

  private var socket: UDPSocket?
  private unowned let loop: EventLoop
  private var waits: [WaitID: Wait] = [:]
  private var waitIDs = WaitIDs()
  var share = TaskShare()

  init(_ socket: consuming UDPSocket, on loop: EventLoop) {
    self.socket = consume socket
    self.loop = loop
  }

  var isClosed: Bool { socket == nil }

  /// Receives the next datagram; nil if there is none.
  func receive() throws(Failure) -> Datagram? {
    let buffer = unsafe loop.driver.pool.take()
    defer { unsafe loop.driver.pool.recycle(buffer) }
    // The buffer is ours until it is recycled, and has room for any datagram.
    return try attempt { () throws(Errno) in try unsafe socket?.takeDatagram(by: buffer.memory) }
  }

  /// Receives the next datagram into the caller's memory; nil if there is none.
  func receive(into memory: inout MutableRawSpan) throws(Failure) -> (count: Int, sender: SocketAddress)? {
    try attempt { () throws(Errno) in
      try unsafe memory.withUnsafeMutableBytes { memory throws(Errno) in try unsafe socket?.receiveNow(into: memory) }
    }
  }

  /// - Returns: False if there is no room now.
  func send(_ bytes: RawSpan, to address: SocketAddress?) throws(Failure) -> Bool {
    try attempt { () throws(Errno) in try socket?.sendNow(bytes, to: address) } ?? false
  }

  /// Makes a call on the socket, unless it is closed.
  private func attempt<Value>(_ call: () throws(Errno) -> Value) throws(Failure) -> Value {
    guard !isClosed else { throw Failure(reason: .closed) }
    do throws(Errno) {
      return try call()
    } catch {
      throw Failure(reason: .init(error))
    }
  }

  /// The borrowed descriptor; nil once the socket is closed.
  var openDescriptor: FileDescriptor? { socket?.fileDescriptor }

  // MARK: Waiting

  func makeWaitID() -> WaitID { waitIDs.next() }

  /// Resumes when the call should be tried again, or with the failure of the wait.
  func awaitReadiness(for interest: Interest, _ id: WaitID, _ waiter: Waiter<Failure?>, isCancelled: Bool) {
    guard !isCancelled else { return waiter.resume(returning: Failure(reason: .cancelled)) }
    guard let descriptor = socket?.rawDescriptor else { return waiter.resume(returning: Failure(reason: .closed)) }
    share.reset()
    do {
      let readiness = try loop.driver.awaitReadiness(of: descriptor, for: interest) { [self] _ in end(id, nil) }
      waits[id] = Wait(waiter: waiter, readiness: readiness)
    } catch {
      waiter.resume(returning: Failure(reason: .init(error.errno)))
    }
  }

  func cancel(_ id: WaitID) {
    end(id, Failure(reason: .cancelled))
  }

  func close() {
    // The waits first: a descriptor with waits stays open in the kernel.
    for id in waits.keys { end(id, Failure(reason: .closed)) }
    // Then its address is free for others.
    loop.driver.flushCancellations()
    socket = nil
  }

  private func end(_ id: WaitID, _ failure: Failure?) {
    guard let wait = waits.removeValue(forKey: id) else { return }
    wait.readiness.cancel()
    wait.waiter.resume(returning: failure)
  }
}
