/// The HTML report of `mux bench`.
struct BenchReport {
  private let result: BenchResult
  private let tally: LoadTally

  init(_ result: BenchResult, _ tally: LoadTally) {
    self.result = result
    self.tally = tally
  }

  var html: String {
    Page(
      title: "Echo under load: \(result.target)", summary: result.title, command: result.command,
      machine: result.machine, sections: Page.notes(result.notes) + [tiles, table] + figures
    ).html
  }

  private var tiles: Markup {
    func percentile(_ percentile: Double) -> String {
      LatencySummary.time(result.latency.percentiles.first { $0.percentile == percentile }?.microseconds)
    }
    return Page.tiles([
      ("requests per second", Quantity.rate(result.requestsPerSecond)),
      ("median latency", percentile(50)), ("99th percentile", percentile(99)),
      ("requests in \(Quantity.decimal(result.seconds, 2)) s", Quantity.count(result.requests)),
      ("lost connections", Quantity.count(result.lostConnections)),
    ])
  }

  private var table: Markup {
    Page.table(
      header: ["Latency"] + LatencySummary.header.map { $0.lowercased() },
      rows: result.latencies.map { [$0.name] + $0.summary.cells })
  }

  private var figures: [Markup] {
    guard result.latency.count > 0 else { return [] }
    return [latencyFigure] + (result.throughput.isEmpty ? [] : [throughputFigure])
  }

  // MARK: Latency

  private var latencyFigure: Markup {
    let curves = ([tally.latencies] + (tally.sinceSending.map { [$0] } ?? [])).map(LatencySummary.curve)
    let series = zip(result.latencies, curves).enumerated().map { index, entry in
      Series(
        name: entry.0.name, look: .line, points: entry.1.map(Self.point),
        // Labels on more than one line would overlap.
        marks: index == 0 ? marks : [])
    }
    let explanation =
      tally.sinceSending == nil
      ? "The time from sending a message until its last byte is back, and the percentage of messages that took no longer."
      : """
      Since due: from when a message should have been sent, so that a stall counts for all messages that it delays. Since \
      sending: from when it was sent, which hides the wait of messages that had to queue.
      """
    return Page.figure(
      "Latency by percentile", explanation,
      Chart(
        description: "Latency by percentile", x: percentileAxis,
        y: .logarithmic("latency", curves.joined().map { 1000 * $0.microseconds }, label: { Quantity.roundTime($0) }),
        series: series))
  }

  /// An axis on which each further nine of a percentile takes the same space: it is logarithmic in the share of
  /// messages that took longer, reversed. The axis, and each line, ends at the maximum, where that share is a single
  /// message.
  private var percentileAxis: Axis {
    let last = max(Double(result.latency.count), 2)
    let ticks = [0, 50, 90, 99, 99.9, 99.99, 99.999, 99.9999].filter { Self.rarity($0) <= last }
    return Axis(
      title: "percentile", scale: .logarithmic, range: 1...last,
      ticks: ticks.map { .init(value: Self.rarity($0), label: "\(Quantity.shortest($0)) %") })
  }

  /// Returns n if one in n messages took longer than a percentile; infinite for the maximum.
  private static func rarity(_ percentile: Double) -> Double { 100 / (100 - percentile) }

  private static func point(_ percentile: LatencySummary.Percentile) -> Series.Point {
    Series.Point(x: rarity(percentile.percentile), y: 1000 * percentile.microseconds)
  }

  private var marks: [Series.Mark] {
    result.latency.percentiles.filter {
      [50, 90, 99, 99.9, 99.99].contains($0.percentile) && Self.rarity($0.percentile) <= Double(result.latency.count)
    }.map { Series.Mark(point: Self.point($0), label: Quantity.time(1000 * $0.microseconds)) }
  }

  // MARK: Throughput

  private var throughputFigure: Markup {
    let points = result.throughput.map { Series.Point(x: $0.seconds, y: $0.requestsPerSecond) }
    var series = [Series(name: "measured", look: .area, points: points)]
    if let scheduled = result.scheduledPerSecond {
      series.append(Series(name: "scheduled", look: .dashed, points: points.map { .init(x: $0.x, y: scheduled) }))
    }
    let highest = series.flatMap(\.points).map(\.y).max() ?? 0
    return Page.figure(
      "Throughput over time", "Responses per second over all connections, during the measurement.",
      Chart(
        description: "Requests per second over time",
        x: .elapsed("seconds since the measurement began", upTo: result.seconds),
        y: .linear("requests per second", upTo: highest, label: { Quantity.rate($0) }), series: series))
  }
}
