import Multiplex

extension LoadGenerator {
  func handle(_ event: Poller.Event) throws {
    guard event.token != Self.signalToken else { return try handleSignals() }
    let connection = connections[Int(event.token)]
    if event.isReadable, try !receive(connection) { return }
    let now = MonotonicClock.now
    complete(connection, now)
    // Nothing more is started when the phase is over, however long it takes to get to the next one.
    if now < phaseEnd { advance(connection, now) }
  }

  /// Receives from a connection.
  ///
  /// - Returns: Whether the connection is still open.
  private func receive(_ connection: LoadConnection) throws -> Bool {
    do {
      guard case .end = try connection.receive(into: &buffer, pattern) else { return true }
      try lose(connection, connection.loss(showing: .closed))
    } catch let error as MultiplexError {
      try lose(connection, .broken(error.errno))
    }
    return false
  }

  private func complete(_ connection: LoadConnection, _ now: Int) {
    connection.noteProgress(at: now)
    let isInTime = measuredSince <= now && now <= measuredEnd
    while connection.hasCompleted {
      let number = connection.completed
      let sent = connection.complete()
      inFlight -= 1
      if isInTime {
        lastResponse = now
        tally.countResponseInTime()
      }
      guard number >= connection.firstMeasured else { continue }
      let due = schedule?.time(of: number - connection.firstScheduled, on: connection.number)
      tally.record(sinceDue: due.map { now - $0 }, sinceSending: now - sent)
      progress.record(now - (due ?? sent))
    }
  }

  func lose(_ connection: LoadConnection, _ reason: Loss) throws(MultiplexError) {
    tally.losses[reason, default: 0] += 1
    try abandon(connection)
  }

  /// Waits no longer for a connection's messages in flight, and sends no more on it.
  private func abandon(_ connection: LoadConnection) throws(MultiplexError) {
    inFlight -= connection.inFlight
    alive -= 1
    tally.unanswered += max(0, connection.started - max(connection.completed, connection.firstMeasured))
    try poller.unregister(connection.socket)
    connection.lose(at: MonotonicClock.now)
    if case .measuring = phase { settle(connection) }
  }

  /// Counts the remaining messages on the schedule of a lost connection, which will never be sent.
  func settle(_ connection: LoadConnection) {
    guard let schedule else { return }
    settled += schedule.share(of: connection.number, in: schedule.count) - connection.startedOnSchedule
  }

  /// Handles signals: the first ends the run early, with the results so far; a later one ends it at once.
  private func handleSignals() throws {
    while let request = try signals.next() {
      guard request.isFirst else { throw StopSignals.end(by: request) }
      switch phase {
      case .warmingUp: throw StopSignals.end(by: request)
      case .measuring: endMeasuring(MonotonicClock.now)
      case .draining:
        // Without any response there is no result, and a server that hasn't answered yet may still do so.
        guard connections.contains(where: \.hasReceived) else { throw StopSignals.end(by: request) }
        try giveUpWaiting()
      case .done: break
      }
      tally.isInterrupted = true
    }
  }

  /// The messages in flight count as unanswered; their connections aren't lost.
  func giveUpWaiting() throws(MultiplexError) {
    for connection in connections where !connection.isLost && connection.inFlight > 0 { try abandon(connection) }
  }

  var notEchoing: Failure {
    Failure("\(plan.target) doesn't echo: nothing came back\(lossReason)", .protocolError)
  }

  var allLost: Failure {
    guard connections.contains(where: \.hasReceived) else { return notEchoing }
    return Failure("\(plan.target): all connections were lost before the measurement began\(lossReason)", .ioError)
  }

  private var lossReason: String {
    tally.losses.keys.first.map { ": \($0.description(timeout: timeout))" } ?? ""
  }
}
