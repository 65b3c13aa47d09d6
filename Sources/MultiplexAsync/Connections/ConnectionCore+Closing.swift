internal import Multiplex
internal import SystemPackage

extension ConnectionCore {
  /// Closes immediately; what there is no room for is lost. If this side aborts it, everything is lost that waits for
  /// the end of the turn as well.
  func abort(because reason: CloseReason) {
    guard !isClosed else { return }
    if !reason.isAbort, unsentCount > 0 { sendGathered() }
    // If that failed, whoever waited for it may have closed this.
    guard !isClosed else { return }
    let closedReason: ConnectionError.Reason = if case .idle = reason { .timedOut } else { .closed }
    self.closedReason = closedReason
    let closeReason = loss.map { .lost($0) } ?? reason
    self.closeReason = closeReason
    monitor?.closed(because: closeReason, unsent: unsentOnClose)
    if shouldReset(because: reason) { channel.resetOnClose() }
    channel.close()
    output = ByteQueue()
    lookahead = ByteQueue()
    endRead(closedReason)
    pump?.endInput(closedReason)
    endOutputWaits(closedReason)
    notifyClosed(closeReason)
  }

  private func notifyClosed(_ reason: CloseReason) {
    guard let monitor else { return }
    let bodies = monitor.whenClosed
    monitor.whenClosed = []
    for body in bodies { body(reason) }
  }

  /// Whether neither side has ended or broken the connection.
  var isOpen: Bool {
    guard !isClosed, !outputEnds, outputFailure == nil, breakage == nil else { return false }
    return Readiness.current(of: descriptor, for: .read)
      .isDisjoint(with: [.readClosed, .hangUp, .error, .invalid])
  }

  /// Calls the body when the connection is closed; immediately if it already is.
  func onClose(_ body: @escaping (CloseReason) -> Void) {
    if let closeReason { return body(closeReason) }
    ensureMonitor().whenClosed.append(body)
  }

  /// Whether to reset the connection, so that the peer doesn't mistake a part for the whole.
  private func shouldReset(because reason: CloseReason) -> Bool {
    reason.isAbort || unsentOnClose > 0
  }

  /// How many bytes are lost, or would be if it were closed now.
  private var unsentOnClose: Int { output.count + lostCount + channel.lostCount }

  /// Closes after a wait until everything is sent.
  ///
  /// - Parameters:
  ///   - failure: Why not everything was sent; nil if it was.
  ///   - reason: Reported if the wait was cancelled, and something is left.
  func close(afterFlush failure: ConnectionError.Reason?, ifCancelled reason: CloseReason) {
    if failure == .cancelled {
      sendGathered()
      if closeIfFlushed() { return }
    }
    abort(because: CloseReason(flushed: failure, ifCancelled: reason))
  }

  /// Closes if everything that was written has been sent.
  ///
  /// - Returns: Whether it is closed.
  func closeIfFlushed() -> Bool {
    endGathering()
    if unsentCount == 0, outputFailure == nil, channel.sendFailure == nil { abort(because: .finished) }
    return isClosed
  }

  /// Closes once nothing has moved for `limit`.
  ///
  /// - Parameter limit: nil sets no limit.
  func setIdleTimeout(_ limit: Duration?, on loop: EventLoop) {
    guard !isClosed else { return }
    guard let limit else {
      monitor?.idleTimer = nil
      return
    }
    ensureMonitor().idleTimer = IdleTimer(limit: limit, on: loop) { [weak self] in
      self?.untakenCount ?? 0
    } onIdle: { [weak self] in
      self?.abort(because: .idle)
    }
  }

  /// How many bytes the peer has yet to take, in the kernel's queue and before it.
  var untakenCount: Int {
    isClosed ? 0 : unsentCount + channel.heldCount
  }

  func beginIdleCheck() {
    guard !isClosed else { return }
    ensureMonitor().hasMoved = false
  }

  /// Closes if nothing has moved since the check began, or the previous call, and nothing is owed to the peer:
  /// everything is sent, and the connection's handler waits for more input, of which there is none.
  ///
  /// A connection without a monitor is new: at its first check it has moved.
  func closeIfIdle() {
    guard !isClosed else { return }
    let monitor = ensureMonitor()
    let awaitsInput = reader != nil || pump?.awaitsOutput == false
    let owesNothing = unsentCount == 0 && awaitsInput && lookahead.isEmpty
    if !monitor.hasMoved, owesNothing, !hasInput { abort(because: .shutDown) }
    monitor.hasMoved = false
  }

  /// Whether the kernel still has something for the channel: a request, or the end of input.
  private var hasInput: Bool { !Readiness.current(of: descriptor, for: .read).isEmpty }

  private var descriptor: FileDescriptor { FileDescriptor(rawValue: channel.rawDescriptor) }

  private func ensureMonitor() -> ConnectionMonitor {
    if let monitor { return monitor }
    let made = ConnectionMonitor(nil)
    monitor = made
    return made
  }

  /// The error that broke the connection before it was closed.
  private var loss: ConnectionError.Reason? {
    breakage.map { ConnectionError.Reason($0) } ?? outputFailure
  }
}
