import ArgumentParser
import Multiplex

/// Puts load on an echo server from one thread, and measures its responses.
///
/// It uses `Poller` directly: with a task per connection, it took a fifth more processor time than a load generator in
/// C, and limited the throughput.
final class LoadGenerator {
  enum Phase {
    case warmingUp(until: Int)
    case measuring
    /// No more messages are started; those in flight are awaited.
    case draining
    case done
  }

  /// The token of the signals; the tokens of connections are their numbers.
  static let signalToken = UInt64.max

  let plan: BenchPlan
  let poller: Poller
  var signals: StopSignals
  let connections: [LoadConnection]
  let pattern = Pattern()
  let timeout: Int
  let progress: BenchProgress
  var buffer = [UInt8](repeating: 0, count: Pattern.longestPiece)

  var phase = Phase.warmingUp(until: 0)
  var nextTick = 0
  /// The number of messages in flight, over all connections that aren't lost.
  var inFlight = 0
  var alive: Int

  var schedule: SendSchedule?
  /// The number of messages of the schedule that are due by now.
  var due = 0

  // The measurement.
  /// When the measured time began; in the far future while warming up.
  var measuredSince = Int.max
  /// When the measured time ends; in the far future if the last response is going to end it.
  var measuredEnd = Int.max
  /// When the last response within the measured time came.
  var lastResponse = 0
  /// When sending ended.
  var sendingEnd = 0
  /// The number of messages that were started, or never will be, because their connection is lost.
  var settled = 0
  var tally: LoadTally

  /// Takes ownership of the connections.
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
  /// - Throws: An ``EchoFault``; a ``Failure`` if nothing was echoed at all, or nothing is left to be measured; the
  ///   exit status of a signal that leaves nothing to report.
  func run() throws -> LoadTally {
    defer { progress.clear() }
    if plan.rate != nil { TimerSlack.minimize() }
    begin(at: MonotonicClock.now)
    while true {
      let now = MonotonicClock.now
      if now >= nextTick { try tick(now) }
      sendDue(now)
      try updatePhase(now)
      if case .done = phase { break }
      for event in try poller.wait(timeout: .nanoseconds(timeLeft(now))) { try handle(event) }
    }
    finish(MonotonicClock.now)
    try signals.settle()
    guard connections.contains(where: \.hasReceived) else { throw notEchoing }
    recordMissing()
    return tally
  }

  /// Returns the time until something is due, in nanoseconds.
  private func timeLeft(_ now: Int) -> Int {
    var next = nextTick
    next = min(next, phaseEnd)
    if let schedule, isSending, due < schedule.count { next = min(next, schedule.time(of: due)) }
    return max(0, next - now)
  }
}
