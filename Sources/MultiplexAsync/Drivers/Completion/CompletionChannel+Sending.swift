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

  var lostCount: Int { Int(givenUpCount) + outgoing.count }

  /// Whether the outcome of an inline send is still unknown.
  var isSendingInline: Bool { inlineBatch == driver.batch }

  /// They go with the next submission anyway.
  var wantsGathering: Bool { false }

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
  private var isSendIdle: Bool { outgoing.count == 0 && !isSendingInline }

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
    return sendImmediately(part.count) { () throws(Errno) in
      try unsafe Kernel.send(rawDescriptor, part, flags: Kernel.dontWait)
    }
  }

  /// - Parameter count: How many bytes the call is to send.
  @inline(__always)
  private func sendImmediately(_ count: Int, _ send: () throws(Errno) -> Int) -> Int {
    noteSent(of: count, Result { () throws(Errno) in try transfer(send) })
  }

  /// - Parameter result: How many bytes were sent; nil if there was no room.
  /// - Returns: The same, without the failure.
  @inline(__always)
  private func noteSent(of count: Int, _ result: Result<Int?, Errno>) -> Int {
    switch result {
    case .success(let sent):
      isFull = sent != count
      return sent ?? 0
    case .failure(let errno):
      fail(errno)
      return 0
    }
  }

  func awaitRoom() {
    isAwaitingRoom = true
    if isFull { watchRoom() } else { awaitSubmission() }
  }

  /// Sends what is queued, as far as there is room: a single buffer with the next submission, several by a call of our
  /// own.
  func send() {
    guard outgoing.count > 0, sendFailure == nil else { return }
    guard !isFull else { return watchRoom() }
    if isSendingInline { return awaitSubmission() }
    if let only = unsafe outgoing.takeOnly() { return unsafe sendInline(only.buffer, only.range) }
    sendQueue()
  }

  func sendGathered() {
    guard !isClosed, sendFailure == nil else { return }
    if isSendingInline {
      guard driver.finishInlineSend(inlineIndex) else { return }
      inlineBatch = 0
    }
    sendQueue()
  }

  /// Sends what is queued by calls of our own, until all of it is sent, or there is no room.
  private func sendQueue() {
    isFull = false
    while outgoing.count > 0, !isFull {
      var count = 0
      let result = unsafe outgoing.withPieces { pieces in
        count = unsafe pieces.reduce(0) { $0 + $1.count }
        return Result { () throws(Errno) in
          try transfer { () throws(Errno) in
            try unsafe Kernel.send(rawDescriptor, pieces: pieces, flags: Kernel.dontWait)
          }
        }
      }
      // Noted only now: a failure empties the queue.
      let sent = noteSent(of: count, result)
      guard sendFailure == nil else { return }
      discard(sent)
      if sent > 0 { delegate?.channelHasSent() }
    }
    if isFull { watchRoom() }
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
      watchRoom()
    case let errno?:
      unsafe driver.recycle(buffer)
      fail(errno)
    }
    awaitSubmission()
  }

  /// Waits for room, and then for what else the queue needs.
  ///
  /// Not by a send that waits: once the peer has finished sending, the kernel takes that for readiness, and in the end
  /// lets a thread of its own wait for each such connection.
  private func watchRoom() {
    guard !roomWait.isActive, !isClosed, rawDescriptor != noDescriptor else { return }
    roomWait = .running
    let token = RingOperation.room.token(of: slot)
    driver.start(.poll(descriptor, for: .out, isMultishot: isRoomWaitMultishot, token: token))
  }

  func stopWatchingRoom() {
    if roomWait.pause() { driver.cancel(.room, of: slot) }
  }

  func endRoomWait(_ completion: Ring.Completion) {
    roomWait.complete(hasMore: completion.hasMore)
    guard !isClosed else { return }
    switch completion.errno {
    case nil where Readiness(foundBy: completion).isWritable: hasFoundRoom = true
    case nil:
      // Each poll also ends when the peer has finished sending. A multishot one reports that once, and goes on.
      isRoomWaitMultishot = true
      return watchRoom()
    // It was stopped; but there may be no room by now.
    case .canceled?: if isFull { return watchRoom() }
    case let errno?: fail(errno)
    }
    notifyLater()
  }

  /// Sends what waited for room. All completions of the turn are known: an inline send that was given back comes first.
  func useRoom() {
    guard hasFoundRoom else { return }
    hasFoundRoom = false
    isFull = false
    // What waits for its outcome may have been given back.
    if isSendingInline { return awaitSubmission() }
    sendQueue()
    if !isFull { stopWatchingRoom() }
  }

  /// Bytes that can't be sent any more are treated as sent.
  func fail(_ errno: Errno) {
    sendFailure = errno
    isFull = false
    giveUpQueue()
    stopWatchingRoom()
    if errno == .badFileDescriptor { abandon() }
    // A multishot receive may not notice the reset (seen on Linux 6.18). Restarted, it ends at once. So does the wait for
    // input in its place.
    guard !isClosed else { return }
    stopReceive()
    stopWatchingInput()
  }

  func giveUpQueue() {
    givenUpCount += UInt32(clamping: outgoing.count)
    discard(outgoing.count)
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
