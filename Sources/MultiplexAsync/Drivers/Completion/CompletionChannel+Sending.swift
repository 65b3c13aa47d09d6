internal import Multiplex
internal import SystemPackage

extension CompletionChannel {
  /// From this size on, bytes are sent at once, by a call of our own, if nothing is before them: by the next submission, those
  /// of other connections would have driven them out of the cache, and to copy them from memory costs more than the call.
  private static let muchToSend = 16 * 1024
  /// But no more than these, so that others aren't kept waiting.
  private static let mostAtOnce = 256 * 1024

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
  var isSendingInline: Bool { inlineBatch == driver.batch }

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
    if !isSending { awaitSubmission() }
  }

  /// Sends what there is, or goes on when what is under way has ended.
  func send() {
    guard outgoing.count > 0, !isSending, sendFailure == nil else { return }
    if isSendingInline { return awaitSubmission() }
    if !isFull, let only = unsafe outgoing.takeOnly() { return unsafe sendInline(only.buffer, only.range) }
    sendWaiting()
  }

  func sendGathered() {
    guard !isClosed, !isSending, sendFailure == nil else { return }
    if isSendingInline {
      guard driver.finishInlineSend(inlineIndex) else { return }
      inlineBatch = 0
    }
    isFull = false
    while outgoing.count > 0, !isFull {
      let sent = unsafe sendAtOnce(outgoing[0])
      guard sendFailure == nil else { return }
      discard(sent)
    }
    send()
  }

  private func sendInline(_ buffer: PooledBuffer, _ range: Range<Int>) {
    inlineBatch = driver.batch
    inlineCount = UInt32(range.count)
    inlineIndex = unsafe driver.sendInline(buffer, range, on: self)
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
    case nil, .tryAgain?, .interrupted?:
      unsafe outgoing.putBack(buffer, range.lowerBound + sent..<range.upperBound)
      isFull = true
    case let errno?:
      unsafe driver.give(back: buffer)
      fail(errno)
    }
    awaitSubmission()
  }

  /// Sends as soon as there is room.
  private func sendWaiting() {
    isSending = true
    isFull = false
    let token = RingOperation.send.token(of: slot)
    let count = outgoing.beginSend()
    sendingCount = (0..<count).reduce(0) { unsafe $0 + outgoing[$1].count }
    guard count > 1 else { return unsafe driver.start(.send(on: descriptor, outgoing[0], token: token)) }
    let message = driver.takeMessage()
    unsafe message.fill(count) { unsafe outgoing[$0] }
    self.message = message
    // The header and the buffers stay until the completion.
    unsafe driver.start(.send(on: descriptor, message, token: token))
  }

  func endSend(_ completion: Ring.Completion) {
    isSending = false
    if let message { driver.give(back: message) }
    message = nil
    switch completion.errno {
    case nil:
      // A send that waits for room is short only if something has gone wrong, which the kernel doesn't report again.
      hasLostFailure = Int(completion.result) < sendingCount
      discard(Int(completion.result))
    // Though it was to wait, the kernel may give a send up before anything is sent: it is begun anew.
    case .tryAgain?, .interrupted?: discard(0)
    case let errno?: fail(errno == .brokenPipe && hasLostFailure ? .connectionReset : errno)
    }
    if isClosed { return discard(outgoing.count) }
    send()
    notifyLater()
  }

  /// What can't be sent any more is as good as sent.
  func fail(_ errno: Errno) {
    sendFailure = errno
    discard(outgoing.count)
    if errno == .badFileDescriptor { abandon() }
    // A multishot receive may not notice the reset (seen on Linux 6.18). Started again, it ends at once.
    if isReceiving, !isPausing, !isClosed {
      isPausing = true
      driver.cancel(.receive, of: slot)
    }
  }

  func discard(_ count: Int) {
    unsafe outgoing.removeFirst(count) { [driver] buffer in unsafe driver.give(back: buffer) }
  }

  func tellOfRoom() {
    guard isAwaitingRoom else { return }
    isAwaitingRoom = false
    delegate?.channelHasRoom()
  }
}
