internal import Multiplex
internal import SystemPackage

/// One attempt to connect a socket on a completion driver.
///
/// It keeps the socket open to its end, even if it is cancelled: otherwise the number could be another file's by the
/// time the kernel connects it.
@safe
final class CompletionConnect: CompletionHandler, CancellableWait {
  private let socket: Socket
  /// The memory that the kernel reads.
  private let address: UnsafeMutableRawBufferPointer
  private unowned let driver: CompletionDriver
  private var slot: HandlerTable.Slot = 0
  private var body: ((Result<Void, MultiplexError>) -> Void)?

  private init(
    _ socket: Socket, to address: SocketAddress, driver: CompletionDriver,
    body: @escaping (Result<Void, MultiplexError>) -> Void
  ) {
    self.socket = socket
    self.driver = driver
    self.body = body
    unsafe self.address = address.withSockaddrBytes { bytes in
      // As long as the bytes copied there; freed with this object, which stays until the completion.
      let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count, alignment: 8)
      unsafe copy.copyMemory(from: bytes)
      return unsafe copy
    }
  }

  deinit {
    unsafe address.deallocate()
  }

  static func start(
    _ socket: Socket, to address: SocketAddress, on driver: CompletionDriver,
    _ body: @escaping (Result<Void, MultiplexError>) -> Void
  ) -> CompletionConnect {
    let attempt = CompletionConnect(socket, to: address, driver: driver, body: body)
    attempt.slot = driver.insert(attempt)
    let token = RingOperation.connect.token(of: attempt.slot)
    unsafe driver.start(
      .connect(attempt.descriptor, to: UnsafeRawBufferPointer(attempt.address), token: token))
    return attempt
  }

  var descriptor: FileDescriptor { socket.fileDescriptor }

  func cancel() {
    guard body != nil else { return }
    body = nil
    driver.cancel(.connect, of: slot)
  }

  func handle(_ completion: Ring.Completion, of operation: RingOperation) {
    driver.remove(slot)
    let body = self.body
    self.body = nil
    body?(outcome(of: completion))
  }

  private func outcome(of completion: Ring.Completion) -> Result<Void, MultiplexError> {
    if let errno = completion.errno { return .failure(socket.connectError(errno)) }
    return Result { () throws(MultiplexError) in try socket.checkPeer() }
  }
}
