import ArgumentParser
import Multiplex

/// Loads a server that echoes, from one thread, and measures how it answers.
///
/// It stands on `Poller` itself: with a task per connection, the load took a fifth more processor time than a load
/// generator in C, and was what limited the throughput.
final class LoadGenerator {
  enum Phase {
    case warmingUp(until: Int)
    case measuring
    /// No message is begun any more; those on the way are waited for.
    case draining
    case done
  }

  /// The token of the signals; those of connections are their numbers.
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
  /// Over all connections that aren't lost.
  var inFlight = 0
  var alive: Int

  var schedule: SendSchedule?
  /// How many messages of the schedule are due by now.
  var due = 0

  // What is measured.
  var measuredSince = 0
  /// When the last message was begun, or was to be.
  var sendingEnd = 0
  /// How many messages were begun, or never will be: those of a schedule whose connection is lost.
  var settled = 0
  var tally: LoadTally

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
