import ArgumentParser
import Foundation
import Multiplex

struct Bench: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Puts load on an echo server, and shows how fast it responds.",
    discussion: """
      Every returned byte is checked. Without --rate, each connection sends its next message when one has come back, which \
      shows the server's maximum throughput. With --rate, messages are sent on a schedule, and latency is measured from \
      when each was due, which shows what users would see, stalls included. Messages that were due but unsent at the end \
      count as UNSENT, each with the time it had waited.

      The rates are those of the responses that come within the measured SECONDS: until the end of --duration, or until \
      the last response to --requests. Responses that come after the duration are awaited for up to --timeout (WAIT): \
      they count as REQUESTS, and their latencies count, but not in the rates. SIGINT ends the run early, with the results so far.
      """)

  @OptionGroup var target: TargetOptions

  @Option(parsing: .unconditional, help: ArgumentHelp("Number of connections.", valueName: "n"))
  var connections = 50

  @Option(parsing: .unconditional, help: ArgumentHelp("Length of each message.", valueName: "bytes"))
  var size = 64

  @Option(parsing: .unconditional, help: ArgumentHelp("Messages in flight per connection.", valueName: "n"))
  var pipeline = 1

  @Option(
    parsing: .unconditional, help: ArgumentHelp("Measure for this long (default: 10).", valueName: "seconds"))
  var duration: Double?

  @Option(parsing: .unconditional, help: ArgumentHelp("Measure this many messages instead.", valueName: "n"))
  var requests: Int?

  @Option(parsing: .unconditional, help: ArgumentHelp("Messages per second in total.", valueName: "n"))
  var rate: Double?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Warm up this long first (default: 1; none with --requests).", valueName: "seconds"))
  var warmup: Double?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Give up when connecting (but not looking up the name), a response or the wait after the duration takes longer.",
      valueName: "seconds"))
  var timeout = 5.0

  @Option(help: "The backend to wait with.")
  var backend = BackendChoice.automatic

  @Flag(help: "Print JSON.")
  var json = false

  @Option(help: ArgumentHelp("Write an HTML report with charts.", valueName: "file.html"))
  var report: String?

  func validate() throws {
    try Limits.requirePath(report, "--report")
    guard duration == nil || requests == nil else {
      throw ValidationError("give either --duration or --requests, not both")
    }
    try Limits.require(connections, in: 1...1_000_000, "--connections")
    try Limits.require(size, in: 1...(1 << 30), "--size")
    try Limits.require(pipeline, in: 1...100_000, "--pipeline")
    guard connections * pipeline <= 50_000_000 else {
      throw ValidationError("--connections times --pipeline must be at most 50,000,000")
    }
    try Limits.requireSeconds(duration, "--duration")
    try Limits.require(requests, atLeast: 1, "--requests")
    if let rate, !(0.001...1e7).contains(rate) {
      throw ValidationError("--rate must be from 0.001 to 10,000,000 messages per second")
    }
    try Limits.requireSeconds(warmup, allowingZero: true, "--warmup")
    try Limits.requireSeconds(timeout, "--timeout")
  }

  func run() throws {
    Console.ignoreBrokenPipes()
    let plan = try plan
    // Checked before the work starts.
    let file = try report.map(ReportFile.init)
    let tally = try measure(plan)
    let result = BenchResult(tally, of: plan)
    // Each is attempted, whatever happens to the other.
    let printing = try Console.result(of: json ? JSON.text(result) : result.lines.joined(separator: "\n"))
    try file?.write(BenchReport(result, tally).html)
    try printing.get()
    result.notes.forEach(Console.warn)
    if result.lostConnections > 0 { throw ExitCode.ioError }
  }

  private func measure(_ plan: BenchPlan) throws -> LoadTally {
    do {
      let connector = Connector(target: plan.target, timeout: plan.timeout, backend: plan.backend)
      return try LoadGenerator(plan, connector.open(plan.connections)).run()
    } catch let fault as EchoFault {
      throw Failure("\(plan.target) doesn't echo: \(fault)", .protocolError)
    }
  }

  private var plan: BenchPlan {
    get throws {
      let defaultWarmUp = requests == nil ? 1.0 : 0
      return BenchPlan(
        target: try target.endpoint, connections: connections, size: size,
        pipeline: pipeline, end: requests.map { .requests($0) } ?? .after(.seconds(duration ?? 10)), rate: rate,
        warmUp: .seconds(warmup ?? defaultWarmUp), timeout: .seconds(timeout), backend: try backend.resolveForPoller())
    }
  }
}
