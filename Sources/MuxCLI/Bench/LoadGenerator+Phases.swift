extension LoadGenerator {
  /// The interval of periodic work: timeouts, phases and the progress line.
  private static let tickInterval = 100_000_000

  func begin(at now: Int) {
    let warmUp = plan.warmUp.wholeNanoseconds
    if warmUp > 0 {
      nextTick = now + Self.tickInterval
      phase = .warmingUp(until: now + warmUp)
      beginSchedule(at: now, end: nil)
    } else {
      beginMeasuring(now)
    }
    if schedule == nil { startAll(now) }
  }

  private func beginMeasuring(_ now: Int) {
    phase = .measuring
    measuredSince = now
    nextTick = now + Self.tickInterval
    for connection in connections { connection.firstMeasured = connection.started }
    beginSchedule(at: now, end: plan.end)
    for connection in connections where connection.isLost { settle(connection) }
  }

  /// Starts a schedule; messages of an earlier one are dropped.
  private func beginSchedule(at now: Int, end: BenchPlan.End?) {
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
    if case .measuring = phase, hasStartedAll(now) || alive == 0 { endSending(now) }
    if case .draining = phase, inFlight == 0 { phase = .done }
  }

  func endSending(_ now: Int) {
    sendingEnd = min(now, end ?? now)
    phase = .draining
  }

  private func hasStartedAll(_ now: Int) -> Bool {
    switch plan.end {
    case .after: end.map { now >= $0 } ?? false
    case .requests(let count): settled >= count
    }
  }

  /// When the phase ends, if its end is a fixed time.
  var end: Int? {
    switch (phase, plan.end) {
    case (.warmingUp(let end), _): end
    case (.measuring, .after(let duration)): measuredSince + duration.wholeNanoseconds
    default: nil
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
    nextTick = now + Self.tickInterval
    for connection in connections
    where !connection.isLost && connection.inFlight > 0 && now - connection.lastProgress > timeout {
      try lose(connection, connection.loss(showing: .noResponse))
    }
    if case .warmingUp = phase { return progress.showWarmUp() }
    tally.note(after: now - measuredSince)
    progress.show(errors: tally.lost, at: now, since: measuredSince)
  }
}
