internal import Multiplex
internal import SystemPackage

extension CompletionChannel {
  /// From this size on, bytes are sent immediately, by our own call, if nothing is queued before them: by the next
  /// submission, bytes of other connections would have evicted them from the cache, and copying them from memory costs
  /// more than the call.
  private static let immediateThreshold = 16 * 1024
  /// The most to send by one such call, so that others aren't kept waiting.
  private static let immediateLimit = 256 * 1024

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

  /// Whether the outcome of an inline send is still unknown.
  var isSendingInline: Bool { inlineBatch == driver.batch }

  var takesChunks: Bool { true }

  func take(_ chunk: consuming Chunk) -> Chunk? {
    guard sendFailure == nil, !isClosed, outgoing.hasRoom else { return chunk }
    let count = chunk.count
    if isSendIdle {
      if count >= Self.immediateThreshold { return sendImmediately(chunk) }
      unsafe sendInline(chunk.release(), 0..<count)
      return nil
    }
    // Queued bytes should hold memory in proportion to their number: a small part of a buffer is better copied.
    guard count >= ReceiveBuffers.bufferSize / 4 else { return chunk }
    unsafe outgoing.append(chunk.release(), count: count)
    send()
    return nil
  }

  func sendNow(_ bytes: UnsafeRawBufferPointer) -> Result<Int, Errno> {
    if let sendFailure { return .failure(sendFailure) }
    let sent = isSendIdle && bytes.count >= Self.immediateThreshold ? unsafe sendImmediately(bytes) : 0
    if let sendFailure { return .failure(sendFailure) }
    guard sent < bytes.count else { return .success(sent) }
    // At most the remaining bytes.
    let rest = unsafe UnsafeRawBufferPointer(rebasing: bytes[sent...])
    let count = unsafe outgoing.append(rest) { [driver] size in unsafe driver.takeBuffer(for: size) }
    send()
    return .success(sent + count)
  }

  /// Whether nothing waits to be sent or is being sent.
  private var isSendIdle: Bool { outgoing.count == 0 && !isSending && !isSendingInline }

  /// Sends a chunk and takes ownership of it; what there is no room for is queued.
  ///
  /// - Returns: The chunk, if sending has failed.
  private func sendImmediately(_ chunk: consuming Chunk) -> Chunk? {
    let count = chunk.count
    let sent = chunk.withBytes { bytes in unsafe bytes.withUnsafeBytes { unsafe sendImmediately($0) } }
    guard sendFailure == nil else { return chunk }
    let buffer = unsafe chunk.release()
    guard sent < count else {
      unsafe driver.recycle(buffer)
      return nil
    }
    unsafe outgoing.putBack(buffer, sent..<count)
    send()
    return nil
  }

  /// - Returns: How many bytes the kernel has taken.
  private func sendImmediately(_ bytes: UnsafeRawBufferPointer) -> Int {
    let part = unsafe UnsafeRawBufferPointer(rebasing: bytes.prefix(Self.immediateLimit))
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

  /// Sends what is queued, or continues when the current send has ended.
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
      let sent = unsafe sendImmediately(outgoing[0])
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

  /// An inline send couldn't be done completely.
  func resumeSend(_ buffer: PooledBuffer, _ range: Range<Int>, _ completion: Ring.Completion) {
    inlineBatch = 0
    // It waits for the end of the batch to close. What isn't sent by now is lost, and the peer has to notice.
    guard !isClosed else {
      resetOnClose()
      return unsafe driver.recycle(buffer)
    }
    let sent = max(0, Int(completion.result))
    switch completion.errno {
    case nil, .tryAgain?, .interrupted?:
      unsafe outgoing.putBack(buffer, range.lowerBound + sent..<range.upperBound)
      isFull = true
    case let errno?:
      unsafe driver.recycle(buffer)
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
    // The header and the buffers stay valid until the completion.
    unsafe driver.start(.send(on: descriptor, message, token: token))
  }

  func endSend(_ completion: Ring.Completion) {
    isSending = false
    if let message { driver.recycle(message) }
    message = nil
    switch completion.errno {
    case nil:
      // A send that waits for room is short only after an error, which the kernel doesn't report again.
      hasLostFailure = Int(completion.result) < sendingCount
      discard(Int(completion.result))
    // Although it should wait, the kernel may give up a send before sending anything: start it again.
    case .tryAgain?, .interrupted?: discard(0)
    case let errno?: fail(errno == .brokenPipe && hasLostFailure ? .connectionReset : errno)
    }
    if isClosed { return discard(outgoing.count) }
    send()
    notifyLater()
  }

  /// Bytes that can't be sent any more are treated as sent.
  func fail(_ errno: Errno) {
    sendFailure = errno
    discard(outgoing.count)
    if errno == .badFileDescriptor { abandon() }
    // A multishot receive may not notice the reset (seen on Linux 6.18). Restarted, it ends at once.
    if !isClosed, receiving.pause() { driver.cancel(.receive, of: slot) }
  }

  func discard(_ count: Int) {
    unsafe outgoing.removeFirst(count) { [driver] buffer in unsafe driver.recycle(buffer) }
  }

  func notifyRoom() {
    guard isAwaitingRoom else { return }
    isAwaitingRoom = false
    delegate?.channelHasRoom()
  }
}
