import Multiplex

/// The outcome of `mux bench`, as JSON shows it.
struct BenchResult: Encodable {
  struct Loss: Encodable {
    let reason: String
    let connections: Int
  }

  struct Rate: Encodable {
    /// Since the measurement began: the middle of the time that the figure is about.
    let seconds: Double
    let requestsPerSecond: Double
  }

  let command: String
  let machine: Machine
  let target: String
  let backend: String
  let connections: Int
  let messageBytes: Int
  let pipeline: Int
  /// What was asked for; absent where there was no schedule.
  let scheduledPerSecond: Double?
  let warmUpSeconds: Double

  /// How long the measurement took, the last answers included.
  let seconds: Double
  let requests: Int
  let requestsPerSecond: Double
  /// In each direction.
  let bytesPerSecond: Double
  /// Counted from when each message was due, on a schedule, or else sent.
  let latency: LatencySummary
  /// Counted from when each message was sent; absent where there was no schedule.
  let latencySinceSending: LatencySummary?
  let throughput: [Rate]
  let unanswered: Int
  /// Messages that were due, and were not sent by the end; absent where there was no schedule.
  let unsent: Int?
  let lostConnections: Int
  let losses: [Loss]
  let isInterrupted: Bool

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
    warmUpSeconds = Double(plan.warmUp.wholeNanoseconds) / second
    seconds = Double(tally.elapsed) / second
    requests = tally.requests
    requestsPerSecond = tally.elapsed > 0 ? Double(tally.requests) / seconds : 0
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
  }
}

// MARK: - For people

extension BenchResult {
  /// What was done: "50 connections to 127.0.0.1:9999 (epoll), messages of 64 B, 1 in flight on each".
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
      ("LOST", Quantity.count(lostConnections)),
      ("UNANSWERED", Quantity.count(unanswered)),
    ] + (unsent.map { [("UNSENT", Quantity.count($0))] } ?? [])
  }

  /// The latencies by what they are counted from.
  var latencies: [(name: String, summary: LatencySummary)] {
    guard let latencySinceSending else { return [("since sending", latency)] }
    return [("since due", latency), ("since sending", latencySinceSending)]
  }

  /// What has to be known to read the figures.
  var notes: [String] {
    var notes: [String] = []
    if isInterrupted { notes.append("interrupted: these are the results so far") }
    if let scheduledPerSecond, requestsPerSecond < 0.95 * scheduledPerSecond, !isInterrupted {
      notes.append(
        """
        schedule not met: \(Quantity.rate(requestsPerSecond)) of \(Quantity.rate(scheduledPerSecond)) requests/s; \
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
      let reasons = losses.map { "\($0.connections) \($0.reason)" }.joined(separator: ", ")
      notes.append("lost \(lostConnections) of \(connections) connections: \(reasons)")
    }
    return notes
  }

  var lines: [String] {
    var totalsTable = Table(header: totals.map(\.name), alignment: .right)
    totalsTable.append(totals.map(\.value))
    var latencyTable = Table(header: ["LATENCY"] + LatencySummary.header, alignment: .rightButFirst)
    for (name, summary) in latencies { latencyTable.append([name] + summary.cells) }
    return [title, ""] + totalsTable.lines + [""] + latencyTable.lines
  }
}
