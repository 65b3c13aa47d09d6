import ArgumentParser
import Multiplex

struct Compare: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Compares the cost of an event on each backend, by the number of descriptors.",
    discussion: """
      Waits for pairs of connected sockets, of which a few are active at once, with each backend in turn. The last column \
      is the cost of the reads and writes alone.
      """)

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("How many descriptors to wait for (default: \(usual)).", valueName: "n,n,..."),
    transform: { try CountList($0) })
  var descriptors: CountList?

  @Option(parsing: .unconditional, help: ArgumentHelp("How many of them are active at once.", valueName: "n"))
  var active = 10

  @Option(parsing: .unconditional, help: ArgumentHelp("Rounds per backend.", valueName: "n"))
  var rounds = 5

  @Flag(help: "Print JSON.")
  var json = false

  @Option(help: ArgumentHelp("Write an HTML report with a chart.", valueName: "file.html"))
  var report: String?

  private static let usual = "10,100,1000,10000"

  func validate() throws {
    try Limits.requirePath(report, "--report")
    try Limits.require(active, in: 1...1_000_000, "--active")
    try Limits.require(rounds, in: 1...1000, "--rounds")
  }

  func run() throws {
    Console.ignoreBrokenPipes()
    let plan = try ComparePlan(
      descriptors: (descriptors ?? CountList(Self.usual)).counts, active: active, rounds: rounds)
    // Checked before the work starts.
    let file = try report.map(ReportFile.init)
    var comparison = Comparison(plan)
    try comparison.run()
    let result = CompareResult(comparison.outcome, of: plan)
    let isEmpty = result.rows.isEmpty
    if json || !isEmpty {
      // Each is attempted, whatever happens to the other.
      let printing = try Console.result(of: json ? JSON.text(result) : result.lines.joined(separator: "\n"))
      if !isEmpty { try file?.write(CompareReport(result).html) }
      try printing.get()
    }
    (result.notes + result.skipped).forEach(Console.warn)
    if isEmpty { throw ExitCode.systemError }
  }
}
