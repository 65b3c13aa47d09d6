import Multiplex

/// The outcome of `mux bench`, as printed with `--json`.
struct BenchResult: Encodable {
  struct Loss: Encodable {
    let reason: String
    let connections: Int
  }

  struct Rate: Encodable {
    /// The middle of the interval that the rate covers, since the measurement began.
    let seconds: Double
    let requestsPerSecond: Double
  }

  /// Each connection may have got another part of a response.
  private static let shownReasons = 5

  let command: String
  let machine: Machine
  let target: String
  let backend: String
  let connections: Int
  let messageBytes: Int
  let pipeline: Int
  /// The rate that was asked for; absent without a schedule.
  let scheduledPerSecond: Double?
  /// The scheduled messages per second that were answered, sooner or later: a slow answer doesn't mean that the schedule
  /// wasn't met. Absent without a schedule, and if sending took no time.
  let answeredPerSecond: Double?
  let warmUpSeconds: Double

  /// The measured time, up to the last of the requested messages, or to the end of the given duration.
  let seconds: Double
  /// How long the remaining responses were awaited after that.
  let waitSeconds: Double
  /// The number of measured messages that came back, also those that did so during the wait.
  let requests: Int
  /// The number of responses that came within the measured time, also those to messages sent while warming up. The
  /// rates are calculated from these, as the server has done that in this time.
  let responsesInTime: Int
  let requestsPerSecond: Double
  /// The bytes per second in each direction.
  let bytesPerSecond: Double
  /// The latencies since each message was due, or was sent if there was no schedule.
  let latency: LatencySummary
  /// The latencies since each message was sent; absent without a schedule.
  let latencySinceSending: LatencySummary?
  let throughput: [Rate]
  let unanswered: Int
  /// The number of messages that were due but unsent at the end; absent without a schedule.
  let unsent: Int?
  let lostConnections: Int
  let losses: [Loss]
  let isInterrupted: Bool
  /// Whether responses were still arriving when the time for awaiting them was up.
  let isGivenUp: Bool

  init(_ tally: LoadTally, of plan: BenchPlan) {
    let second = Double(MonotonicClock.second)
    command = Invocation.command
    machine = Machine()
    target = plan.target.description
    backend = plan.backend.name
    connections = plan.connections
    messageBytes = plan.size
    pipeline = plan.pipeline
    scheduledPerSecond = plan.rate
    answeredPerSecond =
      plan.rate != nil && tally.sending > 0 ? Double(tally.requests) * second / Double(tally.sending) : nil
    warmUpSeconds = Double(plan.warmUp.wholeNanoseconds) / second
    seconds = Double(tally.elapsed) / second
    waitSeconds = Double(tally.waiting) / second
    requests = tally.requests
    responsesInTime = tally.responsesInTime
    requestsPerSecond = tally.elapsed > 0 ? Double(tally.responsesInTime) / seconds : 0
    bytesPerSecond = requestsPerSecond * Double(plan.size)
    latency = LatencySummary(tally.latencies)
    latencySinceSending = tally.sinceSending.map(LatencySummary.init)
    throughput = tally.throughput.rates.map { Rate(seconds: $0.seconds, requestsPerSecond: $0.perSecond) }
    unanswered = tally.unanswered
    unsent = plan.rate.map { _ in tally.unsent }
    lostConnections = tally.lost
    losses = tally.losses.map { loss, count in
      Loss(reason: loss.description(timeout: plan.timeout.wholeNanoseconds), connections: count)
    }.sorted { ($0.connections, $0.reason) > ($1.connections, $1.reason) }
    isInterrupted = tally.isInterrupted
    isGivenUp = tally.isGivenUp
  }
}

// MARK: - Text

extension BenchResult {
  /// A description of the run: "50 connections to 127.0.0.1:9999 (epoll), messages of 64 B, 1 in flight on each".
  var title: String {
    let scheduled = scheduledPerSecond.map { ", \(Quantity.rate($0))/s scheduled" } ?? ""
    return """
      \(Quantity.counted(connections, "connection")) to \(target) (\(backend)), \
      messages of \(Quantity.count(messageBytes)) B, \(pipeline == 1 ? "" : "up to ")\(Quantity.count(pipeline)) in flight \
      on each\(scheduled)
      """
  }

  /// The figures of the whole run, by name.
  var totals: [(name: String, value: String)] {
    [
      ("REQUESTS", Quantity.count(requests)),
      ("SECONDS", Quantity.decimal(seconds, 2)),
      ("REQUESTS/S", Quantity.rate(requestsPerSecond)),
      ("BYTES/S", Quantity.bytes(bytesPerSecond)),
      ("WAIT", Quantity.decimal(waitSeconds, 2)),
      ("LOST", Quantity.count(lostConnections)),
      ("UNANSWERED", Quantity.count(unanswered)),
    ] + (unsent.map { [("UNSENT", Quantity.count($0))] } ?? [])
  }

  /// The latencies, by the moment from which they are measured.
  var latencies: [(name: String, summary: LatencySummary)] {
    guard let latencySinceSending else { return [("since sending", latency)] }
    return [("since due", latency), ("since sending", latencySinceSending)]
  }

  /// Notes that help to interpret the figures.
  var notes: [String] {
    var notes: [String] = []
    if isInterrupted { notes.append("interrupted: these are the results so far") }
    if isGivenUp { notes.append("responses were still arriving when --timeout ended the wait for them") }
    if let scheduledPerSecond, let answeredPerSecond, answeredPerSecond < 0.95 * scheduledPerSecond, !isInterrupted {
      notes.append(
        """
        schedule not met: \(Quantity.rate(answeredPerSecond)) of \(Quantity.rate(scheduledPerSecond)) requests/s; \
        the server or --pipeline was the limit
        """)
    }
    if let unsent, unsent > 0 {
      notes.append(
        """
        \(Quantity.counted(unsent, "message")) due but unsent at the end: in the latencies since due, each counts with the \
        time it had waited
        """)
    }
    if lostConnections > 0 {
      notes.append("lost \(lostConnections) of \(connections) connections: \(reasons)")
    }
    return notes
  }

  /// The most frequent reasons why connections were lost.
  private var reasons: String {
    let most = losses.prefix(Self.shownReasons).map { "\($0.connections) \($0.reason)" }
    let others = losses.dropFirst(Self.shownReasons).map(\.connections).reduce(0, +)
    return (most + (others > 0 ? ["\(others) for similar reasons"] : [])).joined(separator: ", ")
  }

  var lines: [String] {
    var totalsTable = Table(header: totals.map(\.name), alignment: .right)
    totalsTable.append(totals.map(\.value))
    var latencyTable = Table(header: ["LATENCY"] + LatencySummary.header, alignment: .rightButFirst)
    for (name, summary) in latencies { latencyTable.append([name] + summary.cells) }
    return [title, ""] + totalsTable.lines + [""] + latencyTable.lines
  }
}
