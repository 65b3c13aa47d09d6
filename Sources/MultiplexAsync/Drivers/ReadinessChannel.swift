internal import Multiplex
internal import SystemPackage

/// One connection on a readiness driver. The driver owns the descriptor.
final class ReadinessChannel: Channel, ReadinessHandler {
  /// How many receives of a turn succeed at once. A peer that always has more would keep all others waiting otherwise.
  private static let share = 16

  let rawDescriptor: Int32
  private unowned let driver: ReadinessDriver
  @safe @exclusivity(unchecked) private var isClosed = false

  /// Whether a receive is worth trying: false once one has found less than there was room for.
  @safe @exclusivity(unchecked) private var mayReceive = true
  /// Whether the peer has finished or broken the connection: then every receive is worth trying, as no further event
  /// announces the end that lies behind the last bytes.
  @safe @exclusivity(unchecked) private var isEnding = false
  @safe @exclusivity(unchecked) private var receiver: (() -> Void)?
  @safe @exclusivity(unchecked) private var sender: (() -> Void)?

  /// The turn in which `receives` were made.
  @safe @exclusivity(unchecked) private var turn: UInt64 = 0
  @safe @exclusivity(unchecked) private var receives = 0

  init(_ descriptor: FileDescriptor, driver: ReadinessDriver) {
    self.rawDescriptor = descriptor.rawValue
    self.driver = driver
  }

  // MARK: Receiving

  func receiveNow() -> Received? {
    guard mayReceive || isEnding, hasShare else { return nil }
    return receiveOnce()
  }

  func awaitInput(_ waiter: @escaping () -> Void) {
    receiver = waiter
    if mayReceive || isEnding {
      // It was only for its share that it didn't go on.
      driver.postpone(self)
    } else {
      armIfNeeded()
    }
  }

  func cancelInput() {
    receiver = nil
  }

  private func receiveOnce() -> Received? {
    let buffer = unsafe driver.pool.take()
    let received = unsafe receiveOnce(into: buffer)
    if case .bytes? = received { return received }
    unsafe driver.pool.give(back: buffer)
    return received
  }

  private func receiveOnce(into buffer: PooledBuffer) -> Received? {
    // The buffer is ours until it is lent in what is returned.
    let memory = unsafe UnsafeMutableRawBufferPointer(start: buffer.start, count: BufferPool.bufferSize)
    while true {
      do {
        let count = try unsafe Kernel.receive(rawDescriptor, memory)
        // A short receive has emptied the socket: what comes now is announced.
        mayReceive = count == BufferPool.bufferSize
        return unsafe count == 0 ? .endOfInput : .bytes(buffer, count: count)
      } catch .interrupted {
        continue
      } catch .wouldBlock, .resourceTemporarilyUnavailable {
        mayReceive = false
        isEnding = false
        return nil
      } catch {
        return .failure(error)
      }
    }
  }

  private var hasShare: Bool {
    if turn != driver.turn {
      turn = driver.turn
      receives = 0
    }
    receives += 1
    return receives <= Self.share
  }

  // MARK: Sending

  func sendNow(_ bytes: UnsafeRawBufferPointer) -> Result<Int, Errno> {
    while true {
      do {
        return .success(try unsafe Kernel.send(rawDescriptor, bytes))
      } catch .interrupted {
        continue
      } catch .wouldBlock, .resourceTemporarilyUnavailable {
        return .success(0)
      } catch {
        return .failure(error)
      }
    }
  }

  func awaitRoom(_ waiter: @escaping () -> Void) {
    sender = waiter
    armIfNeeded()
  }

  func shutdownOutput() -> Errno? {
    do throws(Errno) {
      try Kernel.shutdown(rawDescriptor, ShutdownDirection.writing.rawValue)
      return nil
    } catch {
      return error
    }
  }

  // MARK: Events

  func handle(_ readiness: Readiness) {
    if readiness.isReadable { mayReceive = true }
    if !readiness.isDisjoint(with: [.readClosed, .hangUp, .error]) { isEnding = true }
    if readiness.isWritable { finishSending() }
    finishReceiving()
    armIfNeeded()
  }

  private func finishReceiving() {
    guard mayReceive || isEnding else { return }
    let receiver = self.receiver
    self.receiver = nil
    receiver?()
  }

  private func finishSending() {
    let sender = self.sender
    self.sender = nil
    sender?()
  }

  /// Waits for one event, on a backend that knows no edges.
  private func armIfNeeded() {
    guard driver.armsEachWait, !isClosed else { return }
    let interest: Interest
    switch (receiver != nil, sender != nil) {
    case (true, true): interest = .read | .write
    case (true, false): interest = .read
    case (false, true): interest = .write
    case (false, false): return
    }
    do {
      try driver.arm(rawDescriptor, for: interest)
    } catch {
      // The descriptor isn't what it was: the calls that are tried now tell.
      isEnding = true
      finishSending()
      finishReceiving()
    }
  }

  func close() {
    guard !isClosed else { return }
    isClosed = true
    receiver = nil
    sender = nil
    driver.forget(rawDescriptor)
  }
}
