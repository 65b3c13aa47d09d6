internal import Multiplex
internal import SystemPackage

/// How to receive from a connection that gets more data than fits into a buffer, or than there are readers for.
///
/// What the kernel receives on its own is bounded only by the socket's buffer: by the time the last connection has its
/// bytes, those of the first have left the cache. So a busy connection is waited for and received from by our own
/// calls, until a wait brings less than a buffer.
struct BulkReceiving {
  private(set) var isActive = false
  /// How many bytes were received since the last wait began, at most a buffer's worth.
  private var received: UInt16 = 0
  /// Whether the socket reports what each call leaves; nil before it was asked to.
  private var reportsRemainder: Bool?
  private var input = EdgeTriggeredInput()

  /// Whether a call is worth trying.
  var mayReceive: Bool { isActive && input.isWorthReceiving }

  /// Begins: more has arrived than fits into a buffer, is read, or there are buffers for.
  mutating func begin() {
    isActive = true
    note(ReceiveBuffers.bufferSize)
    input.noteReceived(hasMore: true)
  }

  /// A wait begins, as nothing is left. If the last one has brought less than a buffer, the kernel receives again. One
  /// that has brought nothing doesn't count: its event announced what had been received by then.
  mutating func beginWait() {
    guard received > 0 else { return }
    isActive = isActive && received == ReceiveBuffers.bufferSize
    received = 0
  }

  /// A wait has found something.
  mutating func note(_ readiness: Readiness) {
    input.note(readiness)
  }

  /// Receives by one call.
  ///
  /// - Returns: nil if nothing has arrived yet.
  mutating func receive(from fd: Int32, into memory: UnsafeMutableRawBufferPointer) throws(Errno) -> Int? {
    var remainder: Int?
    let canReport = reportsRemainder ?? beginReporting(of: fd)
    let count = try transfer { () throws(Errno) in
      canReport
        ? try unsafe Kernel.receive(fd, memory, remainder: &remainder, flags: Kernel.dontWait)
        : try unsafe Kernel.receive(fd, memory, flags: Kernel.dontWait)
    }
    guard let count else {
      input.noteEmpty()
      return nil
    }
    note(count)
    // Only another call can tell, if this one hasn't. A short one may have ended at out-of-band data.
    input.noteReceived(hasMore: remainder != 0)
    return count
  }

  /// Asks a socket to report what each call leaves.
  ///
  /// - Returns: Whether it does. Only TCP sockets can.
  private mutating func beginReporting(of fd: Int32) -> Bool {
    let canReport = (try? Kernel.reportRemainder(of: fd)) != nil
    reportsRemainder = canReport
    return canReport
  }

  /// Moves what was received into an empty pipe.
  mutating func splice(from fd: Int32, into pipe: SplicePipe) -> Spliced {
    let spliced = pipe.fill(from: fd)
    switch spliced {
    // A pipe may be full with fewer bytes than its capacity, so there may always be more.
    case .bytes(let count): note(count)
    case .nothing: input.noteEmpty()
    case .other, .failure: break
    }
    return spliced
  }

  private mutating func note(_ count: Int) {
    received = UInt16(min(Int(received) + count, ReceiveBuffers.bufferSize))
  }
}
