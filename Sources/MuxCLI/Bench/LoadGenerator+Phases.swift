extension LoadGenerator {
  /// The interval of periodic work: timeouts, phases and the progress line.
  private static let tickInterval = 100_000_000

  func begin(at now: Int) {
    let warmUp = plan.warmUp.wholeNanoseconds
    if warmUp > 0 {
      nextTick = now + Self.tickInterval
      phase = .warmingUp(until: now + warmUp)
      beginSchedule(at: now, end: .after(plan.warmUp))
      if schedule == nil { startAll(now) }
    } else {
      beginMeasuring(now)
    }
  }

  private func beginMeasuring(_ now: Int) {
    phase = .measuring
    measuredSince = now
    if case .after(let duration) = plan.end { measuredEnd = now + duration.wholeNanoseconds }
    nextTick = now + Self.tickInterval
    withdrawUnsent()
    for connection in connections { connection.firstMeasured = connection.started }
    beginSchedule(at: now, end: plan.end)
    for connection in connections where connection.isLost { settle(connection) }
    if schedule == nil { startAll(now) }
  }

  /// Starts a schedule; messages of an earlier one are dropped.
  private func beginSchedule(at now: Int, end: BenchPlan.End) {
    guard let rate = plan.rate else { return }
    schedule = SendSchedule(rate: rate, connections: connections.count, origin: now, end: end)
    due = 0
    for connection in connections { connection.firstScheduled = connection.started }
  }

  func updatePhase(_ now: Int) throws(Failure) {
    if case .warmingUp(let end) = phase {
      guard alive > 0 else { throw allLost }
      if now >= end { beginMeasuring(now) }
    }
    if case .measuring = phase {
      if now >= measuredEnd { endMeasuring(now) } else if hasStartedAll || alive == 0 { endSending(now) }
    }
    if case .draining = phase, inFlight == 0 { phase = .done }
  }

  /// Ends sending, and the measured time, while messages may be left to be sent. Those that were begun are finished.
  func endMeasuring(_ now: Int) {
    measuredEnd = min(now, measuredEnd)
    withdrawUnsent()
    endSending(measuredEnd)
  }

  private func endSending(_ now: Int) {
    sendingEnd = now
    phase = .draining
  }

  /// Drops the messages that wait only for the server to take others.
  private func withdrawUnsent() {
    for connection in connections where !connection.isLost { inFlight -= connection.withdrawUnsent() }
  }

  private var hasStartedAll: Bool {
    guard case .requests(let count) = plan.end else { return false }
    return settled >= count
  }

  /// When the phase ends; in the far future if that isn't known yet.
  var phaseEnd: Int {
    switch phase {
    case .warmingUp(let end): end
    case .measuring: measuredEnd
    case .draining, .done: .max
    }
  }

  var isSending: Bool {
    switch phase {
    case .warmingUp, .measuring: true
    case .draining, .done: false
    }
  }

  /// Whether another message may be started.
  var mayStart: Bool {
    switch (phase, plan.end) {
    case (.warmingUp, _), (.measuring, .after): true
    case (.measuring, .requests(let count)): settled < count
    default: false
    }
  }

  /// Does the periodic work.
  func tick(_ now: Int) throws {
    // Late, as this process was stopped, or got no processor: what has come meanwhile must be received first.
    let isLate = now - nextTick >= Self.tickInterval
    nextTick = now + Self.tickInterval
    if !isLate { try loseSilentConnections(now) }
    if case .warmingUp = phase { return progress.showWarmUp() }
    if now < measuredEnd {
      tally.note(after: now - measuredSince)
    } else if !isLate, now - measuredEnd >= timeout {
      tally.isGivenUp = inFlight > 0
      try giveUpWaiting()
    }
    progress.show(errors: tally.lost, at: now, since: measuredSince)
  }

  private func loseSilentConnections(_ now: Int) throws {
    for connection in connections
    where !connection.isLost && connection.inFlight > 0 && now - connection.lastProgress >= timeout {
      try lose(connection, connection.loss(showing: connection.silence))
    }
  }

  func finish(_ now: Int) {
    let end = measuredEnd < .max ? min(now, measuredEnd) : max(measuredSince, lastResponse)
    tally.finish(after: end - measuredSince, sendingFor: sendingEnd - measuredSince, waitingFor: max(0, now - end))
  }
}
