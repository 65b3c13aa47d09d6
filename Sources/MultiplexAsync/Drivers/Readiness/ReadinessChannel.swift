internal import Multiplex
internal import SystemPackage

/// One connection on a readiness driver. The driver owns the descriptor.
final class ReadinessChannel: Channel, ReadinessHandler {
  private(set) var rawDescriptor: Int32
  private let driver: ReadinessDriver
  @safe @exclusivity(unchecked) var delegate: (any ChannelDelegate)?
  @safe @exclusivity(unchecked) private var isClosed = false

  @safe @exclusivity(unchecked) private var input = EdgeTriggeredInput()
  /// Whether it is a Unix socket, where a receive may end before it has emptied the socket.
  private let isUnix: Bool
  /// Whether the last receive filled its buffer.
  @safe @exclusivity(unchecked) private(set) var isBulky = false
  @safe @exclusivity(unchecked) private var isAwaitingInput = false
  @safe @exclusivity(unchecked) private var isAwaitingRoom = false
  /// Whether room to send causes events, on backends with edge triggering.
  @safe @exclusivity(unchecked) private var isWatchingRoom = false
  /// Whether it will continue in the next turn.
  @safe @exclusivity(unchecked) private var isPostponed = false

  /// Limits receives. Otherwise a peer that always has more data would keep all others waiting.
  @safe @exclusivity(unchecked) private var share = TurnShare(16)

  init(_ descriptor: FileDescriptor, driver: ReadinessDriver, isUnix: Bool) {
    self.rawDescriptor = descriptor.rawValue
    self.driver = driver
    self.isUnix = isUnix
  }

  // MARK: Receiving

  func receiveNow() -> Received? {
    guard mayReceive() else { return nil }
    return receiveOnce()
  }

  /// Whether a receive is worth trying, in this turn; takes a part of the share if so.
  @inline(__always)
  private func mayReceive() -> Bool { input.isWorthReceiving && share.take(in: driver.turnNumber) }

  func awaitInput() {
    isAwaitingInput = true
    if input.isWorthReceiving {
      // It stopped only because its share was used up.
      postpone()
    } else {
      armIfNeeded()
    }
  }

  func cancelInput() {
    isAwaitingInput = false
  }

  /// Continues in the next turn, once: an event may bring input before that.
  private func postpone() {
    guard !isPostponed else { return }
    isPostponed = true
    driver.postpone(self)
  }

  /// Continues, in the next turn.
  func resume() {
    isPostponed = false
    handle(isAbandoned ? .invalid : [])
  }

  func receiveNow(into memory: UnsafeMutableRawBufferPointer) -> ReceivedDirectly? {
    guard mayReceive() else { return nil }
    return unsafe receiveOnce(into: memory)
  }

  private func receiveOnce() -> Received? {
    let buffer = unsafe driver.pool.take()
    // The buffer is ours until it is returned.
    let received = unsafe receiveOnce(into: buffer.memory)
    if case .filled(let count) = received { return unsafe .bytes(buffer, count: count) }
    unsafe driver.pool.recycle(buffer)
    guard case .elsewhere(let other) = received else { return nil }
    return other
  }

  private func receiveOnce(into memory: UnsafeMutableRawBufferPointer) -> ReceivedDirectly? {
    do {
      var hasMore = false
      let count = try transfer { () throws(Errno) in try unsafe receive(into: memory, hasMore: &hasMore) }
      guard let count else {
        input.noteEmpty()
        return nil
      }
      isBulky = count == memory.count
      // Any other short receive has emptied the socket: further data causes an event.
      input.noteReceived(hasMore: isBulky || hasMore)
      return count == 0 ? .elsewhere(.endOfInput) : .filled(count: count)
    } catch {
      return .elsewhere(.failure(noted(error)))
    }
  }

  /// - Parameters:
  ///   - memory: Where to receive.
  ///   - hasMore: Set to whether there may be more though the memory isn't full, which no event will report.
  @inline(__always)
  private func receive(into memory: UnsafeMutableRawBufferPointer, hasMore: inout Bool) throws(Errno) -> Int {
    guard isUnix else { return try unsafe Kernel.receive(rawDescriptor, memory) }
    return try unsafe Kernel.receive(fromUnix: rawDescriptor, memory, withDescriptor: &hasMore)
  }

  func splice(into pipe: SplicePipe) -> Spliced {
    guard mayReceive() else { return .nothing }
    let spliced = pipe.fill(from: rawDescriptor)
    switch spliced {
    // A pipe may be full with fewer bytes than its capacity, so there may always be more.
    case .bytes(let count): isBulky = count >= driver.pool.bufferSize
    case .nothing: input.noteEmpty()
    case .other: isBulky = false
    case .failure(let errno): return .failure(noted(errno))
    }
    return spliced
  }

  // MARK: Sending

  var wantsGathering: Bool { true }

  func splice(from pipe: SplicePipe) -> Result<Int, Errno> {
    do {
      return .success(try pipe.drain(to: rawDescriptor))
    } catch {
      return .failure(noted(error))
    }
  }

  func sendNow(_ bytes: UnsafeRawBufferPointer) -> Result<Int, Errno> {
    sendNow { () throws(Errno) in try unsafe Kernel.send(rawDescriptor, bytes) }
  }

  func sendNow(_ pieces: UnsafeBufferPointer<UnsafeRawBufferPointer>) -> Result<Int, Errno> {
    sendNow { () throws(Errno) in try unsafe Kernel.send(rawDescriptor, pieces: pieces) }
  }

  @inline(__always)
  private func sendNow(_ send: () throws(Errno) -> Int) -> Result<Int, Errno> {
    do {
      return .success(try transfer(send) ?? 0)
    } catch {
      return .failure(noted(error))
    }
  }

  func awaitRoom() {
    isAwaitingRoom = true
    guard !isAbandoned else { return postpone() }
    if driver.armsEachWait { armIfNeeded() } else { watchRoom() }
  }

  private func watchRoom() {
    guard !isWatchingRoom, !isClosed else { return }
    isWatchingRoom = true
    do {
      try driver.watchRoom(of: rawDescriptor)
    } catch {
      failWaits(because: error)
    }
  }

  // MARK: Events

  func handle(_ readiness: Readiness) {
    guard !readiness.contains(.invalid) else { return failWaits() }
    input.note(readiness)
    if readiness.isWritable { finishSending() }
    finishReceiving()
    armIfNeeded()
  }

  private func finishReceiving() {
    guard isAwaitingInput, input.isWorthReceiving else { return }
    isAwaitingInput = false
    delegate?.channelHasInput()
  }

  private func finishSending() {
    guard isAwaitingRoom else { return }
    isAwaitingRoom = false
    delegate?.channelHasRoom()
  }

  /// Waits for one event, on backends without edge triggering.
  private func armIfNeeded() {
    guard driver.armsEachWait, !isClosed, !isAbandoned else { return }
    let interest: Interest
    switch (isAwaitingInput, isAwaitingRoom) {
    case (true, true): interest = .read | .write
    case (true, false): interest = .read
    case (false, true): interest = .write
    case (false, false): return
    }
    do {
      try driver.arm(rawDescriptor, for: interest)
    } catch {
      failWaits(because: error)
    }
  }

  /// Ends all waits, as the descriptor is unusable: the calls tried next fail.
  ///
  /// - Parameter error: Why it can't be waited for; nil if it was closed elsewhere.
  private func failWaits(because error: MultiplexError? = nil) {
    if let error, error.reason != .notOpen { release() } else { abandon() }
    finishSending()
    finishReceiving()
  }

  func close() {
    guard !isClosed else { return }
    isClosed = true
    isAwaitingInput = false
    isAwaitingRoom = false
    delegate = nil
    release()
  }

  /// Closes the descriptor.
  private func release() {
    detach { driver.unregister($0) }
  }

  /// Notes what an error says about the descriptor itself. Its waits end in the next turn.
  private func noted(_ errno: Errno) -> Errno {
    if errno == .badFileDescriptor, !isAbandoned {
      abandon()
      postpone()
    }
    return errno
  }

  private var isAbandoned: Bool { rawDescriptor == noDescriptor }

  /// Stops using the descriptor, as it was closed elsewhere and its number may soon be another file's.
  private func abandon() {
    detach { driver.disown($0) }
  }

  /// Gives up the descriptor. Every call fails from now on: a caller in the middle of a step, during which a user's
  /// callback has closed this, must not find another file.
  private func detach(_ giveUp: (Int32) -> Void) {
    guard !isAbandoned else { return }
    giveUp(rawDescriptor)
    rawDescriptor = noDescriptor
    input.noteFailure()
  }
}
