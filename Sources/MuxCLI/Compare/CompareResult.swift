/// The outcome of `mux compare`, as printed with `--json`.
struct CompareResult: Encodable {
  /// The name for the cost of the reads and writes alone.
  static let bareName = "no waiting"

  let command: String
  let machine: Machine
  let active: Int
  let rounds: Int
  let backends: [String]
  let rows: [CompareOutcome.Row]
  let skipped: [String]
  let notes: [String]

  init(_ outcome: CompareOutcome, of plan: ComparePlan) {
    command = Invocation.command
    machine = Machine()
    active = plan.active
    rounds = plan.rounds
    backends = outcome.backends
    rows = outcome.rows
    skipped = outcome.skipped
    notes = outcome.notes
  }
}

// MARK: - Text

extension CompareResult {
  var title: String {
    """
    processor time per event, \(activity), each written to and read; \
    \(rounds == 1 ? "one round" : "medians of \(rounds) rounds")
    """
  }

  /// How many are active: "10 active at a time", or fewer, if there aren't as many descriptors.
  var activity: String {
    let counts = rows.map(\.active)
    guard let least = counts.min(), let most = counts.max() else { return "\(Quantity.count(active)) active at a time" }
    return "\(least < most ? "up to " : "")\(Quantity.count(most)) active at a time"
  }

  /// The names of the columns: the backends, then the bare reads and writes.
  var names: [String] { backends + [Self.bareName] }

  /// Returns the costs of a row in the order of ``names``, in nanoseconds.
  func costs(_ row: CompareOutcome.Row) -> [Double] {
    backends.compactMap { row.nanosecondsPerEvent[$0] } + [row.nanosecondsWithoutWaiting]
  }

  func cells(_ row: CompareOutcome.Row) -> [String] {
    [Quantity.count(row.descriptors)] + costs(row).map { Quantity.time($0) }
  }

  var lines: [String] {
    var table = Table(header: ["DESCRIPTORS"] + names.map { $0.uppercased() }, alignment: .right)
    for row in rows { table.append(cells(row)) }
    return [title, ""] + table.lines + ["", "on a logarithmic scale:", ""] + bars
  }

  /// A bar chart as text, on a logarithmic scale.
  private var bars: [String] {
    let all = rows.flatMap(costs)
    let chart = BarChart(least: all.min() ?? 1, greatest: all.max() ?? 1)
    return rows.flatMap { row in
      zip(names, costs(row)).enumerated().map { index, entry in
        let count = index == 0 ? Quantity.count(row.descriptors) : ""
        return chart.line([(count, 11, true), (entry.0, width, false)], entry.1, Quantity.time(entry.1))
      }
    }
  }

  private var width: Int { names.map(\.count).max() ?? 0 }
}
