import Multiplex
import SystemPackage

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// One thread that waits, and runs the tasks of the connections that have become ready. Everything belongs to it.
final class Server: TaskExecutor, @unchecked Sendable {
  private static let bufferSize = 65_536

  let address: SocketAddress
  private let listener: Socket
  private let epoll: Epoll
  // Without the runtime's checks of exclusive access, which the library's loop does without as well.
  @exclusivity(unchecked) private var jobs: [UnownedJob] = []
  @exclusivity(unchecked) private var running: [UnownedJob] = []
  /// What continues the task of each connection that waits, by the number of its descriptor.
  @exclusivity(unchecked) private var waiting: [UnsafeContinuation<Void, Never>?] = []
  /// Shared by all connections: an echo leaves nothing in it.
  private let buffer = UnsafeMutableRawPointer.allocate(byteCount: bufferSize, alignment: 64)

  init() throws {
    listener = try Socket.listening(on: SocketAddress("127.0.0.1:0"))
    try listener.set(.noDelay, to: true)
    address = try listener.localAddress()
    epoll = try Epoll()
    try epoll.register(listener, for: .in)
  }

  deinit {
    buffer.deallocate()
  }

  func run() throws -> Never {
    while true {
      for event in try epoll.wait(maximumEvents: 256) { try handle(Int32(event.data)) }
      swap(&jobs, &running)
      for job in running { job.runSynchronously(on: asUnownedTaskExecutor()) }
      running.removeAll(keepingCapacity: true)
    }
  }

  func enqueue(_ job: consuming ExecutorJob) {
    jobs.append(UnownedJob(job))
  }

  private func handle(_ descriptor: Int32) throws {
    if descriptor == listener.fileDescriptor.rawValue { return try accept() }
    guard let task = waiting[Int(descriptor)] else { return }
    waiting[Int(descriptor)] = nil
    task.resume()
  }

  private func accept() throws {
    guard let connection = try listener.accept() else { return }
    try epoll.register(connection, for: .in)
    let missing = Int(connection.fileDescriptor.rawValue) + 1 - waiting.count
    if missing > 0 { waiting += repeatElement(nil, count: missing) }
    Task(executorPreference: self) { await self.echo(on: connection) }
  }

  private func echo(on connection: Socket) async {
    let descriptor = connection.fileDescriptor.rawValue
    while true {
      let count = recv(descriptor, buffer, Self.bufferSize, 0)
      if count > 0 {
        guard sendAll(count, on: connection) else { break }
      } else if count == 0 || errno != EAGAIN {
        break
      }
      // The variant that begins without a lookup of the task's executor, as MultiplexAsync uses it.
      await _unsafeInheritExecutor_withUnsafeContinuation { self.waiting[Int(descriptor)] = $0 }
    }
    connection.close()
  }

  private func sendAll(_ count: Int, on connection: Socket) -> Bool {
    let sent = max(0, send(connection.fileDescriptor.rawValue, buffer, count, Int32(MSG_NOSIGNAL)))
    guard sent < count else { return true }
    // Waits for room, or finds that the connection is broken.
    return (try? connection.sendAll(UnsafeRawBufferPointer(start: buffer + sent, count: count - sent))) != nil
  }
}
