internal import Multiplex
internal import SystemPackage

extension ConnectionCore {
  /// How many pieces one call sends. Each takes room on the stack; a call for each 64 costs little.
  private static let vector = 64
  /// From this size on, bytes are sent at once: copying them would cost more than a call. In bytes.
  private static let gatheringThreshold = 4 * 1024
  /// So many gathered bytes are sent before the turn ends. In bytes.
  private static let gatheringLimit = 16 * 1024

  /// Sends what there is room for, and queues the rest.
  func write(_ bytes: UnsafeRawBufferPointer) -> UnfinishedWrite? {
    write(bytes.count) {
      unsafe channel.sendNow(bytes)
    } queueing: { sent in
      if sent < bytes.count { unsafe output.append(bytes[sent...]) }
    }
  }

  /// Sends what there is room for, several pieces per call, and queues the rest.
  func write(_ pieces: [[UInt8]]) -> UnfinishedWrite? {
    write(pieces.reduce(0) { $0 + $1.count }) {
      send(pieces)
    } queueing: { sent in
      var sent = sent
      for piece in pieces {
        output.append(piece.dropFirst(sent))
        sent -= min(sent, piece.count)
      }
    }
  }

  /// - Parameters:
  ///   - count: How many bytes there are.
  ///   - send: Sends, and returns how many bytes were taken.
  ///   - queue: Queues the rest, given how many bytes were sent.
  @inline(__always)
  private func write(
    _ count: @autoclosure () -> Int, _ send: () -> Result<Int, Errno>, queueing queue: (_ sent: Int) -> Void
  ) -> UnfinishedWrite? {
    if isGathering, count() >= Self.gatheringThreshold { endGathering() }
    if let refusal { return UnfinishedWrite(.refused(refusal)) }
    var sent = 0
    if output.isEmpty, !gathers(count()) {
      switch send() {
      case .success(let count):
        sent = count
        monitor?.sent(count)
      case .failure(let errno): return UnfinishedWrite(.refused(failOutput(errno)))
      }
    }
    queue(sent)
    return remainderOfWrite()
  }

  /// - Returns: How many bytes of all pieces together the kernel has taken.
  private func send(_ pieces: [[UInt8]]) -> Result<Int, Errno> {
    var rest = pieces[...]
    var sent = 0
    while !rest.isEmpty {
      let batch = rest.prefix(Self.vector)
      rest = rest.dropFirst(Self.vector)
      switch unsafe batch.withMemory({ unsafe channel.sendNow($0) }) {
      case .success(let count):
        sent += count
        guard count == batch.byteCount else { return .success(sent) }
      case .failure(let errno):
        // The sent bytes count; the next call reports the failure.
        return sent > 0 ? .success(sent) : .failure(errno)
      }
    }
    return .success(sent)
  }

  /// Writes a chunk: hands it over to the channel, or recycles its buffer before a potentially long wait.
  ///
  /// - Parameter reactor: The connection's. A chunk of another reactor is copied.
  func write(_ chunk: consuming Chunk, on reactor: Reactor) -> UnfinishedWrite? {
    guard channel.takesChunks, chunk.reactor === reactor, refusal == nil, output.isEmpty else {
      return write(bytesOf: chunk)
    }
    let count = chunk.count
    guard let chunk = channel.take(chunk) else {
      monitor?.sent(count)
      return remainderOfWrite()
    }
    return write(bytesOf: chunk)
  }

  /// Writes any chunk, and recycles its buffer.
  private func write(bytesOf chunk: consuming Chunk) -> UnfinishedWrite? {
    chunk.withBytes { bytes in unsafe bytes.withUnsafeBytes { unsafe write($0) } }
  }

  /// The remainder of a write whose bytes are sent or queued.
  private func remainderOfWrite() -> UnfinishedWrite? {
    if isGathering, output.count >= min(Self.gatheringLimit, watermarks.high) {
      endGathering()
      if let outputFailure { return UnfinishedWrite(.refused(outputFailure)) }
    }
    if !output.isEmpty, !isGathering { noteQueued() }
    if unsentCount > watermarks.high {
      flushLater()
      return UnfinishedWrite(.room)
    }
    return share.spend() ? UnfinishedWrite(.turn) : nil
  }

  /// Whether to queue a write until the turn ends, instead of sending it.
  @inline(__always)
  private func gathers(_ count: @autoclosure () -> Int) -> Bool {
    let isFirst = lastWriteTurn != gathering.turn
    lastWriteTurn = gathering.turn
    guard !isFirst else { return false }
    return beginGathering(count())
  }

  /// Never inlined: most writes are the first of their turn.
  @inline(never)
  private func beginGathering(_ count: Int) -> Bool {
    guard count > 0, count < min(Self.gatheringThreshold, watermarks.high), channel.wantsGathering else { return false }
    if !isGathering {
      isGathering = true
      gathering.add(self)
    }
    return true
  }

  /// Sends what was gathered. What there is no room for waits.
  func endGathering() {
    guard isGathering else { return }
    let errno = sendQueued()
    isGathering = false
    if let errno {
      failOutput(errno)
    } else if !output.isEmpty {
      noteQueued()
    }
  }

  /// Writes without a waiting caller. If more bytes than the limit are queued, the connection is aborted instead.
  func post(_ bytes: [UInt8], limit: Int) {
    if unsentCount > limit { sendGathered() }
    guard unsentCount <= limit else { return abort(because: .fellBehind) }
    _ = unsafe bytes.withUnsafeBytes { unsafe write($0) }
  }

  /// Sends what waits only for the end of the turn, and not for the peer.
  func sendGathered() {
    while true {
      channel.sendGathered()
      let count = output.count
      guard count > 0, channel.unsentCount == 0, channel.sendFailure == nil else { return }
      if let errno = sendQueued() {
        failOutput(errno)
        return
      }
      guard output.count < count else { return }
    }
  }

  /// How many bytes wait to be sent.
  var unsentCount: Int { output.count + channel.unsentCount }

  var refusal: ConnectionError.Reason? {
    guard isClosed || outputEnds || outputFailure != nil else { return nil }
    return closedReason ?? (outputEnds ? .closed : outputFailure)
  }

  /// Waits until the queue has fallen to the low watermark, or everything has been sent.
  ///
  /// - Parameter isCancelled: Whether the waiting task was cancelled.
  func awaitOutput(
    _ goal: OutputGoal, _ id: WaitID, _ waiter: AnyWaiter<ConnectionError.Reason?>, isCancelled: Bool = false
  ) {
    if let closedReason { return waiter.resume(returning: closedReason) }
    endGathering()
    let isCancelled = isCancelled || isServiceCancelled(id)
    // A cancelled task can't wait for the end of the turn.
    if isCancelled, !hasReached(goal) { sendGathered() }
    if hasReached(goal) { return waiter.resume(returning: outputFailure ?? channel.sendFailure.map(failOutput)) }
    guard !isCancelled else { return waiter.resume(returning: .cancelled) }
    switch goal {
    case .room: roomWaiters.append(waiter, named: id)
    case .flush: flushWaiters.append(waiter, named: id)
    }
    flushLater()
  }

  private func hasReached(_ goal: OutputGoal) -> Bool {
    switch goal {
    case .room: unsentCount <= watermarks.low
    case .flush: unsentCount == 0
    }
  }

  func cancelWrite(_ id: WaitID) {
    takeOutputWaiter(id)?.resume(returning: .cancelled)
  }

  /// Removes and returns the waiter of an output wait.
  @discardableResult
  func takeOutputWaiter(_ id: WaitID) -> AnyWaiter<ConnectionError.Reason?>? {
    roomWaiters.take(id) ?? flushWaiters.take(id)
  }

  /// Ends sending, once everything queued has been sent.
  func endOutput() {
    guard !outputEnds, !isClosed else { return }
    endGathering()
    outputEnds = true
    if unsentCount == 0 { shutdownOutput() } else { flushLater() }
  }

  private func flushLater() {
    guard !isFlushing else { return }
    isFlushing = true
    channel.awaitRoom()
  }

  /// Sends as much of the queue as there is room for, or finds out why nothing can be sent any more.
  func flush() {
    if let errno = channel.sendFailure ?? sendQueued() {
      failOutput(errno)
      return
    }
    if unsentCount > 0 { flushLater() } else if outputEnds { shutdownOutput() }
    let haveRoom = hasReached(.room) ? roomWaiters.takeAll() : []
    let areDone = hasReached(.flush) ? flushWaiters.takeAll() : []
    haveRoom.resume(returning: nil)
    areDone.resume(returning: nil)
  }

  /// - Returns: The error, if any. There may be nothing to send, if only the channel has bytes.
  private func sendQueued() -> Errno? {
    guard !output.isEmpty else { return nil }
    switch unsafe output.contents.withUnsafeBytes({ unsafe channel.sendNow($0) }) {
    case .failure(let errno): return errno
    case .success(let count):
      output.removeFirst(count)
      monitor?.sent(count)
      if !isGathering { monitor?.observation?.queued(output.count) }
      return nil
    }
  }

  /// Appends bytes to the queue.
  func queue(_ bytes: UnsafeRawBufferPointer) {
    unsafe output.append(bytes)
    noteQueued()
  }

  private func noteQueued() {
    monitor?.observation?.queued(output.count)
    flushLater()
  }

  private func shutdownOutput() {
    // A peer that is already gone needs no end of input.
    guard let errno = channel.shutdownOutput(), errno != .socketNotConnected else { return }
    failOutput(errno)
  }

  @discardableResult
  func failOutput(_ errno: Errno) -> ConnectionError.Reason {
    let reason = ConnectionError.Reason(errno)
    outputFailure = reason
    // After a broken pipe, what the peer has sent can still be read to its end.
    if errno != .brokenPipe { breakage = errno }
    lostCount += output.count
    output = ByteQueue()
    endOutputWaits(reason)
    return reason
  }

  func endOutputWaits(_ reason: ConnectionError.Reason) {
    roomWaiters.takeAll().resume(returning: reason)
    flushWaiters.takeAll().resume(returning: reason)
  }
}
