internal import Multiplex
internal import SystemPackage

extension CompletionChannel {
  /// How many buffers of unread bytes a channel may hold. Beyond that, the kernel has to keep the data.
  private static let readAhead = 4

  func receiveNow() -> Received? {
    if let received = received.popFirst() { return received }
    if let ending { return ending }
    guard receivesDirectly, share.take(in: driver.batch) else { return nil }
    return receiveOnce()
  }

  func awaitInput() {
    isAwaitingInput = true
    guard !hasInput else { return notifyInput() }
    resumeReceiving()
  }

  func cancelInput() {
    isAwaitingInput = false
  }

  var hasInput: Bool { !received.isEmpty || end != nil }

  /// Whether to receive by our own calls, as no receive is in progress.
  var receivesDirectly: Bool { bulk.mayReceive && !receiving.isActive && !isClosed }

  /// Whether ``receiveNow()`` should be tried.
  var isWorthReceiving: Bool { hasInput || receivesDirectly }

  /// Starts a receive or a wait for input, or continues in the next turn.
  private func resumeReceiving() {
    guard isAwaitingInput, !receiving.isActive, !isClosed, end == nil else { return }
    if bulk.mayReceive { return awaitSubmission() }
    bulk.beginWait()
    if bulk.isActive { watchInput() } else { startReceive() }
  }

  private func startReceive() {
    stopWatchingInput()
    receiving = .running
    driver.start(
      .receive(
        on: descriptor, intoGroup: CompletionDriver.group, isMultishot: true,
        token: RingOperation.receive.token(of: slot)))
  }

  func stopReceive() {
    if receiving.pause() { driver.cancel(.receive, of: slot) }
  }

  /// Waits for input until that is stopped.
  ///
  /// Not by a poll for each wait: if the peer is fast, each would find input at once, and this connection would be
  /// served in every turn, while the others take turns, as the kernel handles only so many at a time.
  private func watchInput() {
    guard !inputWait.isActive else { return }
    inputWait = .running
    let token = RingOperation.input.token(of: slot)
    driver.start(.poll(descriptor, for: [.in, .readHangUp], isMultishot: true, token: token))
  }

  func stopWatchingInput() {
    if inputWait.pause() { driver.cancel(.input, of: slot) }
  }

  /// The kernel reports a reset only once: if a send got it, receiving looks as if the peer had properly finished.
  private var ending: Received? {
    switch end {
    case nil: nil
    case .failure(let errno): .failure(errno)
    case .endOfInput:
      if let sendFailure, sendFailure != .brokenPipe { .failure(sendFailure) } else { .endOfInput }
    }
  }

  func endReceive(_ completion: Ring.Completion) {
    receiving.complete(hasMore: completion.hasMore)
    take(completion)
    continueReceiving()
  }

  func endInputWait(_ completion: Ring.Completion) {
    inputWait.complete(hasMore: completion.hasMore)
    guard !isClosed else { return }
    switch completion.errno {
    case nil: bulk.note(Readiness(foundBy: completion))
    // It was stopped.
    case .canceled?: break
    case let errno?: noteFailure(errno)
    }
    continueReceiving()
  }

  private func continueReceiving() {
    guard !isClosed else { return }
    if isWorthReceiving { notifyLater() } else { resumeReceiving() }
  }

  func notifyInput() {
    guard isAwaitingInput else { return }
    isAwaitingInput = false
    delegate?.channelHasInput()
  }

  private func take(_ completion: Ring.Completion) {
    if let id = completion.buffer {
      unsafe takeBytes(driver.takeReceived(id), Int(completion.result), hasMore: completion.socketHasMore)
    }
    guard !isClosed else { return }
    switch completion.errno {
    case nil where completion.result == 0: end = .endOfInput
    // It may have been paused.
    case nil, .canceled?: break
    case .noBufferSpace?:
      bulk.begin()
      driver.growBuffers()
    case let errno?: noteFailure(errno)
    }
  }

  /// - Parameter hasMore: Whether there was more than fitted into the buffer.
  private func takeBytes(_ buffer: PooledBuffer, _ count: Int, hasMore: Bool) {
    guard !isClosed, count > 0 else { return unsafe driver.recycle(buffer) }
    unsafe received.append(.bytes(buffer, count: count))
    guard hasMore || received.count >= Self.readAhead else { return }
    bulk.begin()
    stopReceive()
  }

  private func receiveOnce() -> Received? {
    let buffer = unsafe driver.pool.take()
    // The buffer is ours until it is returned.
    let memory = unsafe buffer.memory
    do {
      if let count = try unsafe bulk.receive(from: rawDescriptor, into: memory) {
        if count > 0 { return unsafe .bytes(buffer, count: count) }
        end = .endOfInput
      }
    } catch {
      noteFailure(error)
    }
    unsafe driver.recycle(buffer)
    return ending
  }

  var isBulky: Bool { receivesDirectly && !hasInput }

  func splice(into pipe: SplicePipe) -> Spliced {
    guard share.take(in: driver.batch) else { return .nothing }
    let spliced = bulk.splice(from: rawDescriptor, into: pipe)
    if case .failure(let errno) = spliced { noteFailure(errno) }
    return spliced
  }

  private func noteFailure(_ errno: Errno) {
    if errno == .badFileDescriptor { abandon() } else { end = .failure(errno) }
  }
}
