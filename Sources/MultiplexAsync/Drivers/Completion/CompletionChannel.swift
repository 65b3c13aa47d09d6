internal import Multiplex
internal import SystemPackage

/// One connection on a completion driver, which owns the descriptor.
final class CompletionChannel: Channel, CompletionHandler {
  /// How many buffers of received bytes may lie here unread. Then the kernel is to keep what comes.
  private static let readAhead = 4

  let rawDescriptor: Int32
  private unowned let driver: CompletionDriver
  @safe @exclusivity(unchecked) private var slot: HandlerTable.Slot = 0
  @safe @exclusivity(unchecked) private var isClosed = false
  private var isAbandoned = false

  @safe @exclusivity(unchecked) private var received: [Received] = []
  /// How receiving has ended.
  @safe @exclusivity(unchecked) private var end: Received?
  @safe @exclusivity(unchecked) private var isReceiving = false
  /// Whether receiving was told to end, for the time being.
  @safe @exclusivity(unchecked) private var isPausing = false
  @safe @exclusivity(unchecked) private var receiver: (() -> Void)?

  @safe @exclusivity(unchecked) private var outgoing = OutgoingQueue()
  @safe @exclusivity(unchecked) private var isSending = false
  /// Where a send of several buffers finds them.
  @safe @exclusivity(unchecked) private var message: MessageHeader?
  @safe @exclusivity(unchecked) private var sendFailure: Errno?
  @safe @exclusivity(unchecked) private var sender: (() -> Void)?

  init(_ descriptor: consuming OwnedDescriptor, driver: CompletionDriver) {
    self.rawDescriptor = descriptor.release().rawValue
    self.driver = driver
    slot = driver.insert(self)
  }

  var descriptor: FileDescriptor { FileDescriptor(rawValue: rawDescriptor) }

  func handle(_ completion: Ring.Completion, of operation: RingOperation) {
    if operation == .receive { endReceive(completion) } else { endSend(completion) }
    leaveIfDone()
  }

  // MARK: Receiving

  func receiveNow() -> Received? {
    if received.isEmpty { return ending }
    return received.removeFirst()
  }

  func awaitInput(_ waiter: @escaping () -> Void) {
    guard !hasInput else { return waiter() }
    receiver = waiter
    receiveOn()
  }

  func cancelInput() {
    receiver = nil
  }

  /// Receives, as far as somebody waits for it and nothing hinders it.
  func receiveOn() {
    guard receiver != nil, !isReceiving, !isClosed, end == nil else { return }
    isReceiving = true
    driver.start(
      .receive(
        on: descriptor, intoGroup: CompletionDriver.group, isMultishot: true, token: RingOperation.receive.token(of: slot)))
  }

  /// The kernel tells once that a connection was broken off: if it was a send that was told, receiving looks as if the
  /// peer had properly finished.
  private var ending: Received? {
    guard case .endOfInput? = end, let sendFailure, sendFailure != .brokenPipe else { return end }
    return .failure(sendFailure)
  }

  private var hasInput: Bool { !received.isEmpty || end != nil }

  private func endReceive(_ completion: Ring.Completion) {
    if !completion.hasMore {
      isReceiving = false
      isPausing = false
    }
    take(completion)
    guard !isClosed else { return }
    guard hasInput else { return }
    let receiver = self.receiver
    self.receiver = nil
    receiver?()
  }

  private func take(_ completion: Ring.Completion) {
    if let id = completion.buffer { unsafe takeBytes(driver.takeReceived(id), Int(completion.result)) }
    guard !isClosed else { return }
    switch completion.errno {
    case nil where completion.result == 0: end = .endOfInput
    case nil: break
    case .noBufferSpace?: driver.feed(self)
    // It was told to pause. Whoever has begun to wait since then is waiting for more.
    case .canceled?: receiveOn()
    case .badFileDescriptor?: abandon()
    case let errno?: end = .failure(errno)
    }
  }

  private func takeBytes(_ buffer: PooledBuffer, _ count: Int) {
    guard !isClosed, count > 0 else { return unsafe driver.give(back: buffer) }
    unsafe received.append(.bytes(buffer, count: count))
    guard received.count >= Self.readAhead, isReceiving, !isPausing else { return }
    isPausing = true
    driver.submit(.cancel(RingOperation.receive.token(of: slot), token: 0).skippingSuccess())
  }

  // MARK: Sending

  var unsentCount: Int { outgoing.count }

  func take(_ chunk: consuming Chunk) -> Chunk? {
    guard sendFailure == nil, !isClosed, outgoing.hasRoom else { return chunk }
    let count = chunk.count
    unsafe outgoing.append(chunk.release(), count: count)
    send()
    return nil
  }

  func sendNow(_ bytes: UnsafeRawBufferPointer) -> Result<Int, Errno> {
    if let sendFailure { return .failure(sendFailure) }
    let count = unsafe outgoing.append(bytes) { [driver] size in unsafe driver.takeBuffer(for: size) }
    send()
    return .success(count)
  }

  func awaitRoom(_ waiter: @escaping () -> Void) {
    sender = waiter
  }

  private func send() {
    guard !isSending, outgoing.count > 0 else { return }
    isSending = true
    let token = RingOperation.send.token(of: slot)
    let count = outgoing.beginSend()
    guard count > 1 else { return unsafe driver.start(.send(on: descriptor, outgoing[0], token: token)) }
    let message = driver.takeMessage()
    unsafe message.fill(count) { unsafe outgoing[$0] }
    self.message = message
    // The header and the buffers stay until the completion.
    unsafe driver.start(.send(on: descriptor, message, token: token))
  }

  private func endSend(_ completion: Ring.Completion) {
    isSending = false
    if let message { driver.give(back: message) }
    message = nil
    let failure = failure(of: completion)
    if let failure { sendFailure = failure }
    if failure == .badFileDescriptor { abandon() }
    // What can't be sent any more is as good as sent.
    let count = failure == nil && !isClosed ? max(0, Int(completion.result)) : outgoing.count
    unsafe outgoing.removeFirst(count) { [driver] buffer in unsafe driver.give(back: buffer) }
    guard !isClosed else { return }
    send()
    let sender = self.sender
    self.sender = nil
    sender?()
  }

  /// The kernel gives up a send that has found no room too often, though it was to wait: it is begun anew.
  private func failure(of completion: Ring.Completion) -> Errno? {
    completion.errno == .wouldBlock || completion.errno == .resourceTemporarilyUnavailable ? nil : completion.errno
  }

  func shutdownOutput() -> Errno? {
    do throws(Errno) {
      try Kernel.shutdown(rawDescriptor, ShutdownDirection.writing.rawValue)
      return nil
    } catch {
      return error
    }
  }

  // MARK: Closing

  /// The descriptor was closed elsewhere: its number isn't ours to use, or to close, any more.
  private func abandon() {
    isAbandoned = true
    end = .failure(.badFileDescriptor)
    sendFailure = .badFileDescriptor
    driver.forget(descriptor)
  }

  /// What the kernel was lent is taken back when it has let go of it; only then is the channel forgotten.
  func close() {
    guard !isClosed else { return }
    isClosed = true
    receiver = nil
    sender = nil
    giveBackReceived()
    if isReceiving { driver.submit(.cancel(RingOperation.receive.token(of: slot), token: 0).skippingSuccess()) }
    if isSending { driver.submit(.cancel(RingOperation.send.token(of: slot), token: 0).skippingSuccess()) }
    if !isAbandoned {
      driver.forget(descriptor)
      driver.submit(.close(descriptor, token: 0).skippingSuccess())
    }
    leaveIfDone()
  }

  private func giveBackReceived() {
    for case .bytes(let buffer, _) in received { unsafe driver.give(back: buffer) }
    received = []
  }

  private func leaveIfDone() {
    guard isClosed, !isReceiving, !isSending else { return }
    driver.remove(slot)
  }
}
