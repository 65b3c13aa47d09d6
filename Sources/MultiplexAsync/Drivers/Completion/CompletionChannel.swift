internal import Multiplex
internal import SystemPackage

/// One connection on a completion driver, which owns the descriptor.
final class CompletionChannel: Channel, CompletionHandler, CompletionTeller {
  /// How many buffers of received bytes may lie here unread. Then the kernel is to keep what comes.
  private static let readAhead = 4
  /// So many bytes are sent at once, by a call of our own, where nothing is before them: until the next submission those of
  /// other connections would take their place in the cache, and to copy them from memory costs more than the call.
  private static let muchToSend = 16 * 1024
  /// But no more than these: others are to have their turn.
  private static let mostAtOnce = 256 * 1024

  /// How receiving has ended.
  private enum End {
    case endOfInput
    case failure(Errno)
  }

  // In an order that leaves few gaps: this is most of what an idle connection costs.
  private(set) var rawDescriptor: Int32
  @safe @exclusivity(unchecked) private(set) var slot: HandlerTable.Slot = 0
  private let driver: CompletionDriver
  @safe @exclusivity(unchecked) var delegate: (any ChannelDelegate)?

  @safe @exclusivity(unchecked) private var received = ReceivedQueue()
  @safe @exclusivity(unchecked) private var outgoing = OutgoingQueue()
  /// The batch of the last inline send, and its bytes.
  @safe @exclusivity(unchecked) private var inlineBatch: UInt64 = 0
  @safe @exclusivity(unchecked) private var inlineCount: UInt32 = 0
  /// Where a send of several buffers finds them.
  @safe @exclusivity(unchecked) private var message: MessageHeader?
  /// Of receives of our own. A peer that always has more would keep all others waiting otherwise.
  @safe @exclusivity(unchecked) private var share = TurnShare(16)
  @safe @exclusivity(unchecked) private(set) var sendFailure: Errno?
  @safe @exclusivity(unchecked) private var end: End?

  @safe @exclusivity(unchecked) private var isClosed = false
  @safe @exclusivity(unchecked) private var isAwaitingInput = false
  @safe @exclusivity(unchecked) private var isReceiving = false
  /// Whether receiving was told to end, for the time being.
  @safe @exclusivity(unchecked) private var isPausing = false
  /// Whether more comes than there were buffers, or readers, for. What the kernel receives by itself has no bound but the
  /// socket's buffer: by the time the last connection has its bytes, those of the first have left the cache. So these are
  /// waited for, and received by calls of our own, until less than a buffer comes.
  @safe @exclusivity(unchecked) private var getsMuch = false
  /// Whether the last such call has filled its buffer.
  @safe @exclusivity(unchecked) private var mayHaveMore = false
  /// Whether nothing was received since the wait for it. That it ended all the same may be for an error that stays.
  @safe @exclusivity(unchecked) private var wasInVain = false
  @safe @exclusivity(unchecked) private var isAwaitingRoom = false
  /// Whether a send is under way that waits for room.
  @safe @exclusivity(unchecked) private var isSending = false
  /// Whether there was no room for all of the last send, inline or at once.
  @safe @exclusivity(unchecked) private var isFull = false
  /// Whether its delegate is to be told when all completions of this turn are known.
  @safe @exclusivity(unchecked) private var isToTell = false
  /// Whether it is to be called at the end of the batch.
  @safe @exclusivity(unchecked) private var isFollowing = false

  init(_ descriptor: consuming OwnedDescriptor, driver: CompletionDriver) {
    self.rawDescriptor = descriptor.release().rawValue
    self.driver = driver
    slot = driver.insert(self)
  }

  var descriptor: FileDescriptor { FileDescriptor(rawValue: rawDescriptor) }

  func handle(_ completion: Ring.Completion, of operation: RingOperation) {
    if operation == .receive { endReceive(completion) } else { endSend(completion) }
    if isClosed { leaveIfDone() }
  }

  func tell() {
    isToTell = false
    tellOfRoom()
    if hasInput || receivesDirectly { tellOfInput() }
  }

  private func tellLater() {
    guard !isToTell, !isClosed else { return }
    isToTell = true
    driver.tellLater(self)
  }

  // MARK: Receiving

  func receiveNow() -> Received? {
    if let received = received.popFirst() { return received }
    if let ending { return ending }
    guard receivesDirectly, share.take(in: driver.batch) else { return nil }
    return receiveOnce()
  }

  func awaitInput() {
    isAwaitingInput = true
    guard !hasInput else { return tellOfInput() }
    receiveOn()
  }

  func cancelInput() {
    isAwaitingInput = false
  }

  private var hasInput: Bool { !received.isEmpty || end != nil }

  /// Whether to receive by calls of our own, as nothing is received for us at present.
  private var receivesDirectly: Bool { getsMuch && !isReceiving && !isClosed }

  /// Has something received, or goes on in the next turn.
  private func receiveOn() {
    guard isAwaitingInput, !isReceiving, !isClosed, end == nil else { return }
    if getsMuch, mayHaveMore { return follow() }
    isReceiving = true
    guard !getsMuch else {
      wasInVain = true
      let token = RingOperation.receive.token(of: slot)
      return driver.start(.poll(descriptor, for: [.in, .readHangUp], isMultishot: false, token: token))
    }
    driver.start(
      .receive(
        on: descriptor, intoGroup: CompletionDriver.group, isMultishot: true,
        token: RingOperation.receive.token(of: slot)))
  }

  /// The kernel tells once that a connection was broken off: if it was a send that was told, receiving looks as if the
  /// peer had properly finished.
  private var ending: Received? {
    switch end {
    case nil: nil
    case .failure(let errno): .failure(errno)
    case .endOfInput:
      if let sendFailure, sendFailure != .brokenPipe { .failure(sendFailure) } else { .endOfInput }
    }
  }

  private func endReceive(_ completion: Ring.Completion) {
    if !completion.hasMore {
      isReceiving = false
      isPausing = false
    }
    take(completion)
    guard !isClosed else { return }
    if hasInput || receivesDirectly { tellLater() } else { receiveOn() }
  }

  private func tellOfInput() {
    guard isAwaitingInput else { return }
    isAwaitingInput = false
    delegate?.channelHasInput()
  }

  private func take(_ completion: Ring.Completion) {
    if let id = completion.buffer { unsafe takeBytes(driver.takeReceived(id), Int(completion.result)) }
    guard !isClosed else { return }
    switch completion.errno {
    case nil where completion.result == 0: end = .endOfInput
    // It was told to pause, perhaps.
    case nil, .canceled?: break
    case .noBufferSpace?:
      expectMuch()
      driver.growBuffers()
    case .badFileDescriptor?: abandon()
    case let errno?: end = .failure(errno)
    }
  }

  private func takeBytes(_ buffer: PooledBuffer, _ count: Int) {
    guard !isClosed, count > 0 else { return unsafe driver.give(back: buffer) }
    unsafe received.append(.bytes(buffer, count: count))
    guard received.count >= Self.readAhead, isReceiving, !isPausing else { return }
    isPausing = true
    expectMuch()
    driver.cancel(.receive, of: slot)
  }

  private func expectMuch() {
    getsMuch = true
    mayHaveMore = true
  }

  private func receiveOnce() -> Received? {
    let buffer = unsafe driver.pool.take()
    // The buffer is ours until it is lent in what is returned.
    let memory = unsafe UnsafeMutableRawBufferPointer(start: buffer.start, count: buffer.capacity)
    do {
      let received = try transfer { () throws(Errno) in
        try unsafe Kernel.receive(rawDescriptor, memory, flags: Kernel.dontWait)
      }
      if let count = received {
        // After a short receive there is nothing left for the moment.
        noteReceive(count, mayHaveMore: count == memory.count)
        if count > 0 { return unsafe .bytes(buffer, count: count) }
      } else {
        noteNothingCame()
      }
    } catch {
      noteFailure(error)
    }
    unsafe driver.give(back: buffer)
    return ending
  }

  var isBulky: Bool { receivesDirectly && !hasInput }

  func splice(into pipe: SplicePipe) -> Spliced {
    guard share.take(in: driver.batch) else { return .nothing }
    let spliced = pipe.fill(from: rawDescriptor)
    switch spliced {
    // A pipe may be full of fewer bytes than it might hold, so there may be more in any case.
    case .bytes(let count): noteReceive(count, mayHaveMore: true)
    case .nothing: noteNothingCame()
    case .other: break
    case .failure(let errno): noteFailure(errno)
    }
    return spliced
  }

  private func noteReceive(_ count: Int, mayHaveMore: Bool) {
    self.mayHaveMore = mayHaveMore
    wasInVain = false
    getsMuch = count >= ReceiveBuffers.bufferSize
    if count == 0 { end = .endOfInput }
  }

  private func noteNothingCame() {
    mayHaveMore = false
    if wasInVain { getsMuch = false }
  }

  private func noteFailure(_ errno: Errno) {
    if errno == .badFileDescriptor { abandon() } else { end = .failure(errno) }
  }

  // MARK: Sending

  func splice(from pipe: SplicePipe) -> Result<Int, Errno> {
    if let sendFailure { return .failure(sendFailure) }
    guard isSendIdle else { return .success(0) }
    do {
      let sent = try pipe.drain(to: rawDescriptor)
      isFull = pipe.count > 0
      return .success(sent)
    } catch {
      fail(error)
      return .failure(error)
    }
  }

  var unsentCount: Int { outgoing.count + (isSendingInline ? Int(inlineCount) : 0) }

  var losesOnClose: Bool { outgoing.count > 0 }

  /// Whether the outcome of an inline send isn't known yet.
  private var isSendingInline: Bool { inlineBatch == driver.batch }

  var takesChunks: Bool { true }

  func take(_ chunk: consuming Chunk) -> Chunk? {
    guard sendFailure == nil, !isClosed, outgoing.hasRoom else { return chunk }
    let count = chunk.count
    if isSendIdle {
      if count >= Self.muchToSend { return takeAtOnce(chunk) }
      unsafe sendInline(chunk.release(), 0..<count)
      return nil
    }
    // What waits is to hold memory in proportion to its bytes: little of a buffer is better copied.
    guard count >= ReceiveBuffers.bufferSize / 4 else { return chunk }
    unsafe outgoing.append(chunk.release(), count: count)
    send()
    return nil
  }

  func sendNow(_ bytes: UnsafeRawBufferPointer) -> Result<Int, Errno> {
    if let sendFailure { return .failure(sendFailure) }
    let sent = isSendIdle && bytes.count >= Self.muchToSend ? unsafe sendAtOnce(bytes) : 0
    if let sendFailure { return .failure(sendFailure) }
    guard sent < bytes.count else { return .success(sent) }
    // Not more than the bytes that are left.
    let rest = unsafe UnsafeRawBufferPointer(rebasing: bytes[sent...])
    let count = unsafe outgoing.append(rest) { [driver] size in unsafe driver.takeBuffer(for: size) }
    send()
    return .success(sent + count)
  }

  /// Whether nothing waits to be sent, or is under way.
  private var isSendIdle: Bool { outgoing.count == 0 && !isSending && !isSendingInline }

  /// Sends a chunk and takes it over; what there is no room for waits.
  ///
  /// - Returns: The chunk, if sending has failed.
  private func takeAtOnce(_ chunk: consuming Chunk) -> Chunk? {
    let count = chunk.count
    let sent = chunk.withBytes { bytes in unsafe bytes.withUnsafeBytes { unsafe sendAtOnce($0) } }
    guard sendFailure == nil else { return chunk }
    let buffer = unsafe chunk.release()
    guard sent < count else {
      unsafe driver.give(back: buffer)
      return nil
    }
    unsafe outgoing.putBack(buffer, sent..<count)
    send()
    return nil
  }

  /// - Returns: How many bytes the kernel has taken.
  private func sendAtOnce(_ bytes: UnsafeRawBufferPointer) -> Int {
    let part = unsafe UnsafeRawBufferPointer(rebasing: bytes.prefix(Self.mostAtOnce))
    do {
      let sent = try transfer { () throws(Errno) in
        try unsafe Kernel.send(rawDescriptor, part, flags: Kernel.dontWait)
      }
      isFull = sent != part.count
      return sent ?? 0
    } catch {
      fail(error)
      return 0
    }
  }

  func awaitRoom() {
    isAwaitingRoom = true
    if !isSending { follow() }
  }

  /// Sends what there is, or goes on when what is under way has ended.
  private func send() {
    guard outgoing.count > 0, !isSending, sendFailure == nil else { return }
    if isSendingInline { return follow() }
    if !isFull, let only = unsafe outgoing.takeOnly() { return unsafe sendInline(only.buffer, only.range) }
    sendWaiting()
  }

  private func sendInline(_ buffer: PooledBuffer, _ range: Range<Int>) {
    inlineBatch = driver.batch
    inlineCount = UInt32(range.count)
    unsafe driver.sendInline(buffer, range, on: self)
  }

  /// An inline send couldn't be done wholly.
  func resumeSend(_ buffer: PooledBuffer, _ range: Range<Int>, _ completion: Ring.Completion) {
    inlineBatch = 0
    // It waits for the end of the batch, to close. What isn't sent by now is lost, and the peer is to see that.
    guard !isClosed else {
      resetOnClose()
      return unsafe driver.give(back: buffer)
    }
    let sent = max(0, Int(completion.result))
    switch completion.errno {
    case nil, .wouldBlock?, .resourceTemporarilyUnavailable?, .interrupted?:
      unsafe outgoing.putBack(buffer, range.lowerBound + sent..<range.upperBound)
      isFull = true
    case let errno?:
      unsafe driver.give(back: buffer)
      fail(errno)
    }
    follow()
  }

  private func follow() {
    guard !isFollowing else { return }
    isFollowing = true
    driver.follow(self)
  }

  /// The batch has ended: what was sent inline is done, and receives have a share again.
  func goOn() {
    isFollowing = false
    guard !isClosed else {
      // Something else in this turn has sent, and closed it: that send is part of the next batch.
      if isSendingInline { return follow() }
      closeDescriptor()
      return leaveIfDone()
    }
    if !isSending {
      send()
      tellOfRoom()
    }
    if hasInput || receivesDirectly { tellOfInput() }
  }

  /// Sends as soon as there is room.
  private func sendWaiting() {
    isSending = true
    isFull = false
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
    switch completion.errno {
    case nil: discard(Int(completion.result))
    // Though it was to wait, the kernel may give a send up before anything is sent: it is begun anew.
    case .wouldBlock?, .resourceTemporarilyUnavailable?, .interrupted?: discard(0)
    case let errno?: fail(errno)
    }
    if isClosed { return discard(outgoing.count) }
    send()
    tellLater()
  }

  /// What can't be sent any more is as good as sent.
  private func fail(_ errno: Errno) {
    sendFailure = errno
    discard(outgoing.count)
    if errno == .badFileDescriptor { abandon() }
  }

  private func discard(_ count: Int) {
    unsafe outgoing.removeFirst(count) { [driver] buffer in unsafe driver.give(back: buffer) }
  }

  private func tellOfRoom() {
    guard isAwaitingRoom else { return }
    isAwaitingRoom = false
    delegate?.channelHasRoom()
  }

  // MARK: Closing

  /// The descriptor was closed elsewhere. Its number may be another file's soon, so it is used no more: every call fails from
  /// now on, and who waits is told.
  private func abandon() {
    guard rawDescriptor >= 0 else { return }
    end = .failure(.badFileDescriptor)
    sendFailure = .badFileDescriptor
    // What is under way is the kernel's until it is complete.
    if !isSending { discard(outgoing.count) }
    driver.forget(descriptor)
    rawDescriptor = -1
    follow()
  }

  /// What the kernel was lent is taken back when it has let go of it; only then is the channel forgotten.
  func close() {
    guard !isClosed else { return }
    isClosed = true
    isAwaitingInput = false
    isAwaitingRoom = false
    delegate = nil
    giveBackReceived()
    if isReceiving { driver.cancel(.receive, of: slot) }
    if isSending { driver.cancel(.send, of: slot) } else { discard(outgoing.count) }
    // What goes with the next submission is to be sent, or found to be lost, first.
    if isSendingInline { follow() } else { closeDescriptor() }
    leaveIfDone()
  }

  private func closeDescriptor() {
    guard rawDescriptor >= 0 else { return }
    driver.close(descriptor)
    rawDescriptor = -1
  }

  private func giveBackReceived() {
    while case .bytes(let buffer, _)? = received.popFirst() { unsafe driver.give(back: buffer) }
  }

  private func leaveIfDone() {
    guard isClosed, !isReceiving, !isSending, !isFollowing else { return }
    driver.remove(slot)
  }
}
