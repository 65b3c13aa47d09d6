internal import Multiplex
internal import SystemPackage

extension ConnectionCore {
  var readRefusal: ConnectionError.Reason? {
    // Checking is cheaper than copying a reason that isn't there; likewise below.
    guard isClosed || isBeingRead else { return nil }
    return closedReason ?? .busy
  }

  private var isBeingRead: Bool { reader != nil || pump != nil }

  /// Reads without waiting; nil if that isn't possible.
  func readNow() -> ReadOutcome? {
    if let readRefusal { return .refused(readRefusal) }
    return takeNow()
  }

  /// Reads without waiting, for a caller known to be the only reader.
  @inline(__always)
  func takeNow() -> ReadOutcome? {
    if !lookahead.isEmpty { return takeLookahead() }
    return channel.receiveNow().map(outcome)
  }

  /// Receives without waiting, past the lookahead; nil if that isn't possible.
  func receiveNow() -> ReadOutcome? {
    if let readRefusal { return .refused(readRefusal) }
    return channel.receiveNow().map(outcome)
  }

  /// Receives into the caller's memory without waiting; nil if that isn't possible.
  ///
  /// - Parameter memory: At least one byte.
  func readNow(into memory: UnsafeMutableRawBufferPointer) -> FillOutcome? {
    if let readRefusal { return .refused(readRefusal) }
    if !lookahead.isEmpty { return unsafe .filled(takeLookahead(into: memory)) }
    switch unsafe channel.receiveNow(into: memory) {
    case nil: return nil
    case .filled(let count):
      monitor?.received(count)
      return .filled(count)
    case .elsewhere(let received): return unsafe fill(memory, with: outcome(of: received))
    }
  }

  private func fill(_ memory: UnsafeMutableRawBufferPointer, with outcome: ReadOutcome) -> FillOutcome {
    switch outcome {
    case .refused(let reason): return .refused(reason)
    case .endOfInput: return .endOfInput
    case .bytes(let buffer, let count):
      // The buffer is ours, and its first `count` bytes are filled. Bytes that don't fit are kept.
      let bytes = unsafe buffer.bytes(0..<count)
      let taken = min(count, memory.count)
      unsafe memory.copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[..<taken]))
      unsafe lookahead.append(bytes[taken...])
      unsafe driver.recycle(buffer)
      return .filled(taken)
    }
  }

  private func takeLookahead(into memory: UnsafeMutableRawBufferPointer) -> Int {
    let bytes = lookahead.contents.prefix(memory.count)
    unsafe memory.copyBytes(from: bytes)
    lookahead.removeFirst(bytes.count)
    return bytes.count
  }

  /// Waits until reading should be tried again. Call it when ``readNow()`` has returned nil.
  func awaitInput(_ id: WaitID, _ waiter: Waiter<ConnectionError.Reason?>, isCancelled: Bool) {
    guard !isCancelled else { return waiter.resume(returning: .cancelled) }
    if let readRefusal { return waiter.resume(returning: readRefusal) }
    beginRead(id, waiter)
  }

  private func beginRead(_ id: WaitID, _ waiter: Waiter<ConnectionError.Reason?>?) {
    reader = (id, waiter)
    share.reset()
    channel.awaitInput()
  }

  /// Waits for input without suspending the calling task, while the loop has nothing else to do. Call it when
  /// ``readNow()`` has returned nil.
  ///
  /// - Returns: Whether reading should be tried again. If not, no wait is pending: suspend the task, which also reports
  ///   why a wait would be refused.
  func awaitInputInPlace(_ id: WaitID, on loop: EventLoop) -> Bool {
    guard readRefusal == nil, !isCancelled(id) else { return false }
    beginRead(id, nil)
    loop.waitInPlace { reader == nil }
    guard reader != nil else { return true }
    channel.cancelInput()
    reader = nil
    return false
  }

  /// The kernel reports a broken connection only once, to either a read or a write. Afterwards it looks like a proper
  /// end.
  @inline(__always)
  private func outcome(of received: Received) -> ReadOutcome {
    switch received {
    case .bytes(let buffer, let count):
      monitor?.received(count)
      return unsafe .bytes(buffer, count: count)
    case .failure(let errno): return .refused(noteBreakage(errno))
    case .endOfInput:
      if let breakage { return .refused(.init(breakage)) }
      monitor?.observation?.receivedEnd()
      return .endOfInput
    }
  }

  /// Notes that a receive found the connection broken.
  func noteBreakage(_ errno: Errno) -> ConnectionError.Reason {
    breakage = errno
    return .init(errno)
  }

  /// Never called while the task waits in place: a cancellation arrives as work for the loop, which ends such a wait.
  func cancelRead(_ id: WaitID) {
    if let pump, pump.inputID == id { pump.cancel() }
    guard let reader, reader.id == id else { return }
    assert(reader.waiter != nil, "a wait in place has no waiter to resume")
    channel.cancelInput()
    endRead(.cancelled)
  }

  func endRead(_ reason: ConnectionError.Reason?) {
    guard let reader else { return }
    self.reader = nil
    reader.waiter?.resume(returning: reason)
  }

  /// Takes bytes that were received before.
  func takeLookahead(_ count: Int) -> [UInt8] {
    defer { lookahead.removeFirst(count) }
    return Array(lookahead.contents.prefix(count))
  }

  private func takeLookahead() -> ReadOutcome {
    let buffer = unsafe driver.pool.take()
    let bytes = unsafe lookahead.contents.prefix(buffer.capacity)
    // The buffer is ours, and at least as long as the prefix.
    unsafe buffer.memory.copyBytes(from: bytes)
    lookahead.removeFirst(bytes.count)
    return unsafe .bytes(buffer, count: bytes.count)
  }
}
