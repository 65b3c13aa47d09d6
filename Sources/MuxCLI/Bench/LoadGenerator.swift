import ArgumentParser
import Multiplex

/// Loads a server that echoes, from one thread, and measures how it answers.
///
/// It stands on `Poller` itself: with a task per connection, the load took a fifth more processor time than a load
/// generator in C, and was what limited the throughput.
final class LoadGenerator {
  private enum Phase {
    case warmingUp(until: Int)
    case measuring
    /// No message is begun any more; those on the way are waited for.
    case draining
    case done
  }

  /// How often what isn't an event is looked after: timeouts, the phases, what is shown.
  private static let tick = 100_000_000
  /// The token of the signals; those of connections are their numbers.
  private static let signalToken = UInt64.max

  private let plan: BenchPlan
  private let poller: Poller
  private var signals: StopSignals
  private let connections: [LoadConnection]
  private let pattern = Pattern()
  private let timeout: Int
  private let progress: BenchProgress
  private var buffer = [UInt8](repeating: 0, count: Pattern.longestPiece)

  private var phase = Phase.warmingUp(until: 0)
  private var nextTick = 0
  /// Over all connections that aren't lost.
  private var inFlight = 0
  private var alive: Int

  private var schedule: SendSchedule?
  /// How many messages of the schedule are due by now.
  private var due = 0

  // What is measured.
  private var measuredSince = 0
  /// When the last message was begun, or was to be.
  private var sendingEnd = 0
  /// How many messages were begun, or never will be: those of a schedule whose connection is lost.
  private var settled = 0
  private var tally: LoadTally

  /// Takes over the connections.
  init(_ plan: BenchPlan, _ sockets: [Socket]) throws {
    self.plan = plan
    signals = try StopSignals()
    poller = try Poller(backend: plan.backend)
    connections = sockets.enumerated().map { number, socket in
      LoadConnection(socket, number: number, size: plan.size, pipeline: plan.pipeline)
    }
    alive = connections.count
    timeout = plan.timeout.wholeNanoseconds
    tally = LoadTally(hasSchedule: plan.rate != nil)
    progress = BenchProgress()
    try poller.register(signals, for: .read, token: Self.signalToken)
    for connection in connections {
      try poller.register(connection.socket, for: .read, token: UInt64(connection.number))
    }
  }

  /// Runs to the end of the plan, or until a signal or the loss of all connections ends it.
  ///
  /// - Throws: An ``EchoFault``; a ``Failure`` where nothing was echoed at all, or nothing is left to be measured; the
  ///   exit status of a signal that leaves nothing to report.
  func run() throws -> LoadTally {
    defer { progress.clear() }
    if plan.rate != nil { TimerSlack.minimize() }
    begin(at: MonotonicClock.now)
    while true {
      let now = MonotonicClock.now
      if now >= nextTick { try lookAfter(now) }
      sendDue(now)
      try updatePhase(now)
      if case .done = phase { break }
      for event in try poller.wait(timeout: .nanoseconds(timeLeft(now))) { try handle(event) }
    }
    tally.finish(after: MonotonicClock.now - measuredSince)
    guard connections.contains(where: \.hasReceived) else { throw notEchoing }
    recordMissing()
    return tally
  }

  /// Until something is due.
  private func timeLeft(_ now: Int) -> Int {
    var next = nextTick
    if let end { next = min(next, end) }
    if let schedule, isSending, due < schedule.count { next = min(next, schedule.time(of: due)) }
    return max(0, next - now)
  }
}

// MARK: - Phases

extension LoadGenerator {
  private func begin(at now: Int) {
    let warmUp = plan.warmUp.wholeNanoseconds
    if warmUp > 0 {
      nextTick = now + Self.tick
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
    nextTick = now + Self.tick
    for connection in connections { connection.firstMeasured = connection.started }
    beginSchedule(at: now, end: plan.end)
    for connection in connections where connection.isLost { settle(connection) }
  }

  /// What was due before is forgotten.
  private func beginSchedule(at now: Int, end: BenchPlan.End?) {
    guard let rate = plan.rate else { return }
    schedule = SendSchedule(rate: rate, connections: connections.count, origin: now, end: end)
    due = 0
    for connection in connections { connection.firstScheduled = connection.started }
  }

  private func updatePhase(_ now: Int) throws(Failure) {
    if case .warmingUp(let end) = phase {
      guard alive > 0 else { throw allLost }
      if now >= end { beginMeasuring(now) }
    }
    if case .measuring = phase, hasStartedAll(now) || alive == 0 { endSending(now) }
    if case .draining = phase, inFlight == 0 { phase = .done }
  }

  private func endSending(_ now: Int) {
    sendingEnd = min(now, end ?? now)
    phase = .draining
  }

  private func hasStartedAll(_ now: Int) -> Bool {
    switch plan.end {
    case .after: end.map { now >= $0 } ?? false
    case .requests(let count): settled >= count
    }
  }

  /// When the phase ends, if that is a matter of time.
  private var end: Int? {
    switch (phase, plan.end) {
    case (.warmingUp(let end), _): end
    case (.measuring, .after(let duration)): measuredSince + duration.wholeNanoseconds
    default: nil
    }
  }

  private var isSending: Bool {
    switch phase {
    case .warmingUp, .measuring: true
    case .draining, .done: false
    }
  }

  /// Whether another message may be begun.
  private var mayStart: Bool {
    switch (phase, plan.end) {
    case (.warmingUp, _), (.measuring, .after): true
    case (.measuring, .requests(let count)): settled < count
    default: false
    }
  }

  /// Does what is to be done from time to time.
  private func lookAfter(_ now: Int) throws {
    nextTick = now + Self.tick
    for connection in connections
    where !connection.isLost && connection.inFlight > 0 && now - connection.lastProgress > timeout {
      try lose(connection, .noAnswer)
    }
    if case .warmingUp = phase { return progress.showWarmUp() }
    tally.note(after: now - measuredSince)
    progress.show(errors: tally.lost, at: now, since: measuredSince)
  }
}

// MARK: - Sending

extension LoadGenerator {
  private func startAll(_ now: Int) {
    for connection in connections { advance(connection, now) }
  }

  /// Sends what is due by now.
  private func sendDue(_ now: Int) {
    guard let schedule, isSending else { return }
    let dueBefore = due
    due = schedule.dueCount(by: now)
    // A connection sends all that is due on it: nobody's turn has to come twice, however much that is.
    for message in max(dueBefore, due - connections.count)..<due {
      let connection = connections[schedule.connection(of: message)]
      if !connection.isLost { advance(connection, now) }
    }
  }

  /// Begins as many messages as there is room for, and sends them.
  private func advance(_ connection: LoadConnection, _ now: Int) {
    let limit = schedule.map { connection.firstScheduled + $0.share(of: connection.number, in: due) } ?? .max
    while connection.hasRoom, mayStart, connection.started < limit {
      connection.start(at: now)
      inFlight += 1
      if case .measuring = phase { settled += 1 }
    }
    send(connection)
  }

  private func send(_ connection: LoadConnection) {
    do throws(MultiplexError) {
      let isSent = try connection.send(pattern)
      guard isSent == connection.awaitsRoom else { return }
      connection.awaitsRoom = !isSent
      try poller.modify(connection.socket, for: isSent ? .read : .read | .write)
    } catch {
      // The reading side tells, too, and may still have answers before it does.
      connection.sendFailure = error.errno
    }
  }
}

// MARK: - Receiving

extension LoadGenerator {
  private func handle(_ event: Poller.Event) throws {
    guard event.token != Self.signalToken else { return try heedSignals() }
    let connection = connections[Int(event.token)]
    if event.isReadable, try !receive(connection) { return }
    let now = MonotonicClock.now
    complete(connection, now)
    advance(connection, now)
  }

  /// - Returns: Whether the connection is still there.
  private func receive(_ connection: LoadConnection) throws -> Bool {
    do {
      guard case .end = try connection.receive(into: &buffer, pattern) else { return true }
      try lose(connection, connection.sendFailure.map(Loss.broken) ?? .closed)
    } catch let error as MultiplexError {
      try lose(connection, .broken(error.errno))
    }
    return false
  }

  private func complete(_ connection: LoadConnection, _ now: Int) {
    connection.noteProgress(at: now)
    while connection.hasCompleted {
      let number = connection.completed
      let sent = connection.complete()
      inFlight -= 1
      guard number >= connection.firstMeasured else { continue }
      let due = schedule?.time(of: number - connection.firstScheduled, on: connection.number)
      tally.record(sinceDue: due.map { now - $0 }, sinceSending: now - sent)
      progress.record(now - (due ?? sent))
    }
  }

  private func lose(_ connection: LoadConnection, _ reason: Loss) throws(MultiplexError) {
    inFlight -= connection.inFlight
    alive -= 1
    tally.losses[reason, default: 0] += 1
    tally.unanswered += max(0, connection.started - max(connection.completed, connection.firstMeasured))
    try poller.unregister(connection.socket)
    connection.lose(at: MonotonicClock.now)
    if case .measuring = phase { settle(connection) }
  }

  /// Whatever else is on the schedule of a lost connection is never sent.
  private func settle(_ connection: LoadConnection) {
    guard let schedule else { return }
    settled += schedule.share(of: connection.number, in: schedule.count) - connection.startedOnSchedule
  }

  /// The first signal ends the run early, with what there is; a later one ends it at once.
  private func heedSignals() throws {
    while let request = try signals.next() {
      guard request.isFirst else { throw StopSignals.end(by: request) }
      switch phase {
      case .warmingUp: throw StopSignals.end(by: request)
      case .measuring: endSending(MonotonicClock.now)
      // Those that are waited for count as unanswered.
      case .draining: try giveUpWaiting()
      case .done: break
      }
      tally.isInterrupted = true
    }
  }

  private func giveUpWaiting() throws(MultiplexError) {
    for connection in connections where !connection.isLost && connection.inFlight > 0 {
      try lose(connection, .noAnswer)
    }
  }

  private var notEchoing: Failure {
    Failure("\(plan.target) doesn't echo: nothing came back\(lossReason)", .protocolError)
  }

  private var allLost: Failure {
    guard connections.contains(where: \.hasReceived) else { return notEchoing }
    return Failure("\(plan.target): all connections were lost before the measurement began\(lossReason)", .ioError)
  }

  private var lossReason: String {
    tally.losses.keys.first.map { ": \($0.description(timeout: timeout))" } ?? ""
  }
}

// MARK: - What didn't come

extension LoadGenerator {
  /// How many latencies are taken down at most for what was not sent: with a rate that can't be kept, that may be millions.
  private static let unsentRecords = 100_000

  /// Messages that were due and never came back have waited as well, for as long as is known.
  private func recordMissing() {
    guard let schedule else { return }
    for connection in connections {
      recordUnanswered(connection, schedule)
      let share = schedule.share(of: connection.number, in: due)
      recordUnsent(connection, connection.startedOnSchedule..<max(share, connection.startedOnSchedule), schedule)
    }
  }

  private func recordUnanswered(_ connection: LoadConnection, _ schedule: SendSchedule) {
    guard let lostAt = connection.lostAt else { return }
    for message in max(connection.completed, connection.firstScheduled)..<connection.started {
      let due = schedule.time(of: message - connection.firstScheduled, on: connection.number)
      tally.recordUnanswered(sinceDue: lostAt - due)
    }
  }

  /// - Parameter messages: Of the connection's own on the schedule.
  private func recordUnsent(_ connection: LoadConnection, _ messages: Range<Int>, _ schedule: SendSchedule) {
    let stride = messages.count / max(1, Self.unsentRecords / connections.count) + 1
    var rest = messages
    while !rest.isEmpty {
      let piece = rest.prefix(stride)
      rest = rest.dropFirst(stride)
      // Of neighbours, the last has waited least.
      let due = schedule.time(of: piece.upperBound - 1, on: connection.number)
      tally.recordUnsent(piece.count, sinceDue: sendingEnd - due)
    }
  }
}
