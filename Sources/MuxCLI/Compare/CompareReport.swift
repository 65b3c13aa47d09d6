/// The HTML report of `mux compare`.
struct CompareReport {
  private let result: CompareResult

  init(_ result: CompareResult) {
    self.result = result
  }

  var html: String {
    Page(
      title: "The cost of waiting for many descriptors", summary: summary, command: result.command,
      machine: result.machine, sections: Page.notes(result.notes + result.skipped) + [tiles, table, figure]
    ).html
  }

  private var summary: String {
    """
    Pairs of connected sockets, \(result.activity): processor time for each active socket that is reported, \
    written to and read. Medians of \(result.rounds) interleaved rounds in one process.
    """
  }

  /// The costs with the largest number of descriptors.
  private var tiles: Markup {
    guard let row = result.rows.last else { return .text("") }
    let count = Quantity.count(row.descriptors)
    return Page.tiles(
      zip(result.backends, result.costs(row)).map { ("\($0) with \(count)", Quantity.time($1)) })
  }

  private var table: Markup {
    Page.table(header: ["Descriptors"] + result.names, rows: result.rows.map(result.cells))
  }

  private var figure: Markup {
    let counts = result.rows.map(\.descriptors)
    let series = result.names.enumerated().map { index, name in
      Series(
        name: name, look: index < result.backends.count ? .dots : .dashed,
        points: result.rows.map { Series.Point(x: Double($0.descriptors), y: result.costs($0)[index]) })
    }
    let explanation = """
      Both axes are logarithmic. Select and poll get all descriptors passed in at each wait, and check each of them; the \
      others keep a list in the kernel, and return only those that are ready. Dashed: the same writes and reads by a \
      program that knows which descriptors are active, and doesn't wait.
      """
    return Page.figure(
      "Cost per event against the number of descriptors", explanation,
      Chart(
        description: "Cost per event against the number of descriptors, by backend", x: countAxis(counts),
        y: .logarithmic(
          "processor time per event", series.flatMap(\.points).map(\.y), label: { Quantity.roundTime($0) }),
        series: series))
  }

  private func countAxis(_ counts: [Int]) -> Axis {
    let low = Double(counts.first ?? 1), high = Double(counts.last ?? 1)
    return Axis(
      title: "descriptors that are waited for", scale: .logarithmic, range: low...max(high, 2 * low),
      ticks: counts.map { .init(value: Double($0), label: Quantity.count($0)) })
  }
}
