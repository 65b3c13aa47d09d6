/// The report of `mux compare`.
struct CompareReport {
  private let result: CompareResult

  init(_ result: CompareResult) {
    self.result = result
  }

  var html: String {
    Page(
      title: "What waiting for many descriptors costs", summary: summary, command: result.command,
      machine: result.machine, sections: Page.notes(result.notes + result.skipped) + [tiles, table, figure]
    ).html
  }

  private var summary: String {
    """
    Pairs of connected sockets, of which \(result.active) at a time are active: processor time for each that is found, \
    written to and read. Medians of \(result.rounds) interleaved rounds in one process.
    """
  }

  /// Those of the most descriptors.
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
      Both axes are logarithmic. Select and poll are told of all descriptors at each wait, and look at each of them; the \
      others leave a list in the kernel, and hear of those alone that are ready. Dashed: the same writes and reads by one \
      who knows which are active, and needn't wait.
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
