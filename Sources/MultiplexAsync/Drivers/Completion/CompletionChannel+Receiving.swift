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
  var receivesDirectly: Bool { bulk.isActive && !receiving.isActive && !isClosed }

  /// Whether ``receiveNow()`` should be tried.
  var isWorthReceiving: Bool { hasInput || receivesDirectly }

  /// Starts a receive, or continues in the next turn.
  private func resumeReceiving() {
    guard isAwaitingInput, !receiving.isActive, !isClosed, end == nil else { return }
    if bulk.isActive, bulk.mayHaveMore { return awaitSubmission() }
    receiving = .running
    guard !bulk.isActive else {
      bulk.beginWait()
      let token = RingOperation.receive.token(of: slot)
      return driver.start(.poll(descriptor, for: [.in, .readHangUp], isMultishot: false, token: token))
    }
    driver.start(
      .receive(
        on: descriptor, intoGroup: CompletionDriver.group, isMultishot: true,
        token: RingOperation.receive.token(of: slot)))
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
    guard !isClosed else { return }
    if isWorthReceiving { notifyLater() } else { resumeReceiving() }
  }

  func notifyInput() {
    guard isAwaitingInput else { return }
    isAwaitingInput = false
    delegate?.channelHasInput()
  }

  private func take(_ completion: Ring.Completion) {
    if let id = completion.buffer { unsafe takeBytes(driver.takeReceived(id), Int(completion.result)) }
    guard !isClosed else { return }
    switch completion.errno {
    case nil where completion.result == 0: end = .endOfInput
    // It may have been paused.
    case nil, .canceled?: break
    case .noBufferSpace?:
      bulk.begin()
      driver.growBuffers()
    case .badFileDescriptor?: abandon()
    case let errno?: end = .failure(errno)
    }
  }

  private func takeBytes(_ buffer: PooledBuffer, _ count: Int) {
    guard !isClosed, count > 0 else { return unsafe driver.recycle(buffer) }
    unsafe received.append(.bytes(buffer, count: count))
    guard received.count >= Self.readAhead, receiving.pause() else { return }
    bulk.begin()
    driver.cancel(.receive, of: slot)
  }

  private func receiveOnce() -> Received? {
    let buffer = unsafe driver.pool.take()
    // The buffer is ours until it is returned.
    let memory = unsafe buffer.memory
    do {
      let received = try transfer { () throws(Errno) in
        try unsafe Kernel.receive(rawDescriptor, memory, flags: Kernel.dontWait)
      }
      if let count = received {
        // After a short receive nothing is left for the moment.
        noteReceive(count, mayHaveMore: count == memory.count)
        if count > 0 { return unsafe .bytes(buffer, count: count) }
      } else {
        bulk.noteNothing()
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
    let spliced = pipe.fill(from: rawDescriptor)
    switch spliced {
    // A pipe may be full with fewer bytes than its capacity, so there may always be more.
    case .bytes(let count): noteReceive(count, mayHaveMore: true)
    case .nothing: bulk.noteNothing()
    case .other: break
    case .failure(let errno): noteFailure(errno)
    }
    return spliced
  }

  private func noteReceive(_ count: Int, mayHaveMore: Bool) {
    bulk.note(count, mayHaveMore: mayHaveMore)
    if count == 0 { end = .endOfInput }
  }

  private func noteFailure(_ errno: Errno) {
    if errno == .badFileDescriptor { abandon() } else { end = .failure(errno) }
  }
}
