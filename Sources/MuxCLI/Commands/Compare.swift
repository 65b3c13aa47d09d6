import ArgumentParser
import Multiplex

struct Compare: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Compares the backends on this machine: what an event costs, by the number of descriptors.",
    discussion: """
      Waits for pairs of connected sockets, of which a few are active at a time, with each backend in turn. The last column \
      is what the reads and writes cost alone.
      """)

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("How many descriptors to wait for (default: \(usual)).", valueName: "n,n,..."),
    transform: { try CountList($0) })
  var descriptors: CountList?

  @Option(parsing: .unconditional, help: ArgumentHelp("How many of them are active at a time.", valueName: "n"))
  var active = 10

  @Option(parsing: .unconditional, help: ArgumentHelp("How often each backend has its turn.", valueName: "n"))
  var rounds = 5

  @Flag(help: "Print JSON.")
  var json = false

  @Option(help: ArgumentHelp("Write a report with a chart to look at.", valueName: "file.html"))
  var report: String?

  private static let usual = "10,100,1000,10000"

  func validate() throws {
    try Limits.requirePath(report, "--report")
    try Limits.require(active, in: 1...1_000_000, "--active")
    try Limits.require(rounds, in: 1...1000, "--rounds")
  }

  func run() throws {
    Console.outliveReaders()
    let plan = try ComparePlan(
      descriptors: (descriptors ?? CountList(Self.usual)).counts, active: active, rounds: rounds)
    // Before the work is done for nothing.
    let file = try report.map(ReportFile.init)
    var comparison = Comparison(plan)
    try comparison.run()
    let result = CompareResult(comparison.outcome, of: plan)
    let isEmpty = result.rows.isEmpty
    if json || !isEmpty {
      try Console.write("\(json ? JSON.text(result) : result.lines.joined(separator: "\n"))\n".utf8)
    }
    if !isEmpty { try file?.write(CompareReport(result).html) }
    (result.notes + result.skipped).forEach(Console.complain)
    if isEmpty { throw ExitCode.systemError }
  }
}
