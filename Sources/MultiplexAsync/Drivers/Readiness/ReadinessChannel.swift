internal import Multiplex
internal import SystemPackage

/// One connection on a readiness driver. The driver owns the descriptor.
final class ReadinessChannel: Channel, ReadinessHandler {
  private(set) var rawDescriptor: Int32
  private let driver: ReadinessDriver
  @safe @exclusivity(unchecked) var delegate: (any ChannelDelegate)?
  @safe @exclusivity(unchecked) private var isClosed = false

  /// Whether a receive is worth trying: false once one has found less than there was room for, and to begin with, as what is
  /// there when the descriptor is registered is an event too.
  @safe @exclusivity(unchecked) private var mayReceive = false
  /// Whether the peer has finished or broken the connection, or sent out-of-band data: then every receive is worth trying,
  /// as no further event announces what lies behind the bytes that it ends with.
  @safe @exclusivity(unchecked) private var isEnding = false
  /// Whether it is a Unix socket, a receive from which may end before it has emptied the socket.
  private let isUnix: Bool
  /// Whether the last receive has filled its buffer.
  @safe @exclusivity(unchecked) private(set) var isBulky = false
  @safe @exclusivity(unchecked) private var isAwaitingInput = false
  @safe @exclusivity(unchecked) private var isAwaitingRoom = false
  /// Whether room to send is an event, where the kernel has edges.
  @safe @exclusivity(unchecked) private var isWatchingRoom = false
  /// Whether it is to go on in the next turn.
  @safe @exclusivity(unchecked) private var isPostponed = false

  /// Of receives. A peer that always has more would keep all others waiting otherwise.
  @safe @exclusivity(unchecked) private var share = TurnShare(16)

  init(_ descriptor: FileDescriptor, driver: ReadinessDriver, isUnix: Bool) {
    self.rawDescriptor = descriptor.rawValue
    self.driver = driver
    self.isUnix = isUnix
  }

  // MARK: Receiving

  func receiveNow() -> Received? {
    guard mayReceive || isEnding, share.take(in: driver.turnNumber) else { return nil }
    return receiveOnce()
  }

  func awaitInput() {
    isAwaitingInput = true
    if mayReceive || isEnding {
      // It was only for its share that it didn't go on.
      postpone()
    } else {
      armIfNeeded()
    }
  }

  func cancelInput() {
    isAwaitingInput = false
  }

  /// Goes on in the next turn, once: an event may bring input before that.
  private func postpone() {
    guard !isPostponed else { return }
    isPostponed = true
    driver.postpone(self)
  }

  /// The next turn has come.
  func goOn() {
    isPostponed = false
    handle(isAbandoned ? .invalid : [])
  }

  func receiveNow(into memory: UnsafeMutableRawBufferPointer) -> ReceivedDirectly? {
    guard mayReceive || isEnding, share.take(in: driver.turnNumber) else { return nil }
    return unsafe receiveOnce(into: memory)
  }

  private func receiveOnce() -> Received? {
    let buffer = unsafe driver.pool.take()
    // The buffer is ours until it is lent in what is returned.
    let received = unsafe receiveOnce(into: buffer.memory)
    if case .filled(let count) = received { return unsafe .bytes(buffer, count: count) }
    unsafe driver.pool.give(back: buffer)
    guard case .elsewhere(let other) = received else { return nil }
    return other
  }

  private func receiveOnce(into memory: UnsafeMutableRawBufferPointer) -> ReceivedDirectly? {
    do {
      var hasMore = false
      let count = try transfer { () throws(Errno) in try unsafe receive(into: memory, hasMore: &hasMore) }
      guard let count else {
        mayReceive = false
        isEnding = false
        return nil
      }
      isBulky = count == memory.count
      // Any other short receive has emptied the socket: what comes now is announced.
      mayReceive = isBulky || hasMore
      return count == 0 ? .elsewhere(.endOfInput) : .filled(count: count)
    } catch {
      return .elsewhere(.failure(noted(error)))
    }
  }

  /// - Parameter hasMore: Whether there may be more though the memory isn't full, and no event will tell.
  @inline(__always)
  private func receive(into memory: UnsafeMutableRawBufferPointer, hasMore: inout Bool) throws(Errno) -> Int {
    guard isUnix else { return try unsafe Kernel.receive(rawDescriptor, memory) }
    return try unsafe Kernel.receive(fromUnix: rawDescriptor, memory, withDescriptor: &hasMore)
  }

  func splice(into pipe: SplicePipe) -> Spliced {
    guard mayReceive || isEnding, share.take(in: driver.turnNumber) else { return .nothing }
    let spliced = pipe.fill(from: rawDescriptor)
    switch spliced {
    // A pipe may be full of fewer bytes than it might hold, so there may be more in any case.
    case .bytes: break
    case .nothing:
      mayReceive = false
      isEnding = false
    case .other: isBulky = false
    case .failure(let errno): return .failure(noted(errno))
    }
    return spliced
  }

  // MARK: Sending

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
      failWaits()
    }
  }

  // MARK: Events

  func handle(_ readiness: Readiness) {
    guard !readiness.contains(.invalid) else { return failWaits() }
    if readiness.isReadable { mayReceive = true }
    if !readiness.isDisjoint(with: [.readClosed, .hangUp, .error, .priority]) { isEnding = true }
    if readiness.isWritable { finishSending() }
    finishReceiving()
    armIfNeeded()
  }

  private func finishReceiving() {
    guard isAwaitingInput, mayReceive || isEnding else { return }
    isAwaitingInput = false
    delegate?.channelHasInput()
  }

  private func finishSending() {
    guard isAwaitingRoom else { return }
    isAwaitingRoom = false
    delegate?.channelHasRoom()
  }

  /// Waits for one event, on a backend that knows no edges.
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
      failWaits()
    }
  }

  /// The descriptor is no good any more: the calls that are tried now tell.
  private func failWaits() {
    abandon()
    finishSending()
    finishReceiving()
  }

  func close() {
    guard !isClosed else { return }
    isClosed = true
    isAwaitingInput = false
    isAwaitingRoom = false
    delegate = nil
    guard !isAbandoned else { return }
    driver.unregister(rawDescriptor)
    // Whoever is in the middle of a step, which a callback of the user's has closed this in, is to find no other's file.
    rawDescriptor = noDescriptor
  }

  /// Notes what an error says of the descriptor itself. Who waits for it is told in the next turn.
  private func noted(_ errno: Errno) -> Errno {
    if errno == .badFileDescriptor, !isAbandoned {
      abandon()
      postpone()
    }
    return errno
  }

  private var isAbandoned: Bool { rawDescriptor == noDescriptor }

  /// The descriptor was closed behind our back. Its number may be another file's soon, so it is used no more: every call
  /// fails from now on.
  private func abandon() {
    guard !isAbandoned else { return }
    driver.disown(rawDescriptor)
    rawDescriptor = noDescriptor
    isEnding = true
  }
}
