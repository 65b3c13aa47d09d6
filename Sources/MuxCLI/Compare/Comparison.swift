import Multiplex

/// Runs the backends on the same work in turn, so that noise affects all of them alike.
struct Comparison {
  /// The time for which a backend is measured in each round, in nanoseconds of processor time.
  private static let share = 20_000_000
  /// Descriptors besides the sockets: the standard streams, those of a backend, and the other end of the last socket.
  private static let spareDescriptors = 32
  /// The number of turns between two readings of the clock.
  private static let turnsPerLook = 8

  private let plan: ComparePlan
  private let backends: [Poller.Backend]
  private let progress = ProgressLine()
  private(set) var outcome = CompareOutcome()

  init(_ plan: ComparePlan) {
    self.plan = plan
    backends = Poller.Backend.allCases.filter { $0.unavailability == nil }
    for backend in Poller.Backend.allCases {
      guard let reason = backend.unavailability else { continue }
      outcome.notes.append("\(backend) doesn't work here: \(reason)")
    }
    outcome.backends = backends.map(\.name)
  }

  /// Measures the numbers of descriptors that are possible here. If none is, the outcome has no rows.
  mutating func run() throws {
    defer { progress.clear() }
    OpenFiles.raiseLimit()
    for count in plan.descriptors where try isPossible(count) {
      outcome.rows.append(try measure(count))
    }
  }

  private mutating func isPossible(_ count: Int) throws(MultiplexError) -> Bool {
    guard let shortage = try OpenFiles.shortage(of: count + Self.spareDescriptors) else { return true }
    outcome.skipped.append("skipping \(Quantity.count(count)) descriptors: they need \(shortage)")
    return false
  }

  private mutating func measure(_ count: Int) throws -> CompareOutcome.Row {
    let pairs = try ActivePairs(count: count, active: plan.active)
    var costs: [[Double]] = backends.map { _ in [] }
    var bareCosts: [Double] = []
    for round in 0..<plan.rounds {
      let text = "\(Quantity.count(count)) descriptors, round \(round + 1) of \(plan.rounds)"
      progress.show("\(text): no waiting")
      bareCosts.append(try Self.cost { try pairs.turn() })
      // No backend is always first.
      for place in backends.indices {
        let index = (place + round) % backends.count
        progress.show("\(text): \(backends[index])")
        costs[index].append(try cost(of: backends[index], with: pairs))
      }
    }
    return CompareOutcome.Row(
      descriptors: count, active: min(plan.active, count), nanosecondsWithoutWaiting: bareCosts.median,
      nanosecondsPerEvent: Dictionary(uniqueKeysWithValues: zip(backends.map(\.name), costs.map(\.median))))
  }

  private func cost(of backend: Poller.Backend, with pairs: ActivePairs) throws -> Double {
    // No other poller watches the descriptors at the same time: the kernel would have to notify it, too.
    let poller = try Poller(backend: backend)
    defer { poller.close() }
    try pairs.register(with: poller)
    return try Self.cost { try pairs.turn(poller) }
  }

  /// Measures the processor time of an event, in nanoseconds, over as many turns as it takes.
  @inline(__always)
  private static func cost(_ turn: () throws -> Int) throws -> Double {
    for _ in 0..<turnsPerLook { _ = try turn() }
    var events = 0
    let begin = MonotonicClock.processorTime
    while true {
      for _ in 0..<turnsPerLook { events += try turn() }
      let elapsed = MonotonicClock.processorTime - begin
      if elapsed >= share { return Double(elapsed) / Double(events) }
    }
  }
}

extension [Double] {
  /// The median of at least one number.
  fileprivate var median: Double {
    let sorted = sorted()
    return (sorted[(count - 1) / 2] + sorted[count / 2]) / 2
  }
}
