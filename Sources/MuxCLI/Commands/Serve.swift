import ArgumentParser
import Multiplex

struct Serve: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Serves many clients on one or more threads.",
    discussion: """
      An address is \(Endpoint.grammar). Prints one line for each address on which it listens. SIGINT, SIGTERM or SIGHUP \
      makes it stop accepting, close connections that are idle for a quarter of a second, drain the others for up to \
      --drain-timeout, and exit; a later signal exits at once.
      """)

  @Option(
    name: .customLong("listen"),
    help: ArgumentHelp(
      "Listen here; may be repeated. Port 0 lets the kernel choose. (default: \(Endpoint.usual))", valueName: "address"),
    transform: { try Endpoint($0, for: .listening) })
  var addresses: [Endpoint] = []

  @Option(
    name: .customLong("unix"),
    help: ArgumentHelp("Listen on a Unix socket; may be repeated.", valueName: "path"),
    transform: { try Endpoint(path: $0) })
  var paths: [Endpoint] = []

  @Option(help: "The service to provide.")
  var service = ServiceName.echo

  @OptionGroup var serving: ServingOptions

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Serve at most this many clients; others wait to be accepted.", valueName: "n"))
  var maxConnections: Int?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Close connections idle for this long.", valueName: "seconds"))
  var idleTimeout: Double?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Stop reading from a client with more than this queued.", valueName: "bytes"))
  var highWater = 1 << 20

  @Flag(help: "Print each turn: what was registered, what was ready, what was done.")
  var trace = false

  @Option(
    help: ArgumentHelp(
      "Show the event loop at work to browsers that connect here. Needs a mux built with the package trait FlyingFox.",
      valueName: "host:port"),
    transform: Endpoint.web)
  var inspect: HostPort?

  func validate() throws {
    try Limits.require(maxConnections, atLeast: 1, "--max-connections")
    try Limits.require(highWater, atLeast: 1, "--high-water")
    try Limits.requireSeconds(idleTimeout, "--idle-timeout")
  }

  func run() throws {
    Console.ignoreBrokenPipes()
    OpenFiles.raiseLimit()
    let server = Server(try settings)
    let chosen = addresses + paths
    let endpoints = chosen.isEmpty ? [try Endpoint(Endpoint.usual, for: .listening)] : chosen
    try Foreground.serve(drainTimeout: serving.drainTimeout) {
      try await server.run(at: endpoints)
    } stop: {
      server.stop()
    }
  }

  private var settings: Server.Settings {
    get throws {
      Server.Settings(
        service: service, backend: try serving.backend.resolve(), threads: serving.threads,
        maximumConnections: maxConnections ?? .max, highWater: highWater,
        idleTimeout: idleTimeout.map { .seconds($0) }, drainTimeout: .seconds(serving.drainTimeout), isTraced: trace,
        inspection: inspect)
    }
  }
}
