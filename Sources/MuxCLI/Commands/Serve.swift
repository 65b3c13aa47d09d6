import ArgumentParser
import Multiplex

struct Serve: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Serves many clients on one thread, or a few.",
    discussion: """
      Prints a line with the address for each that it listens on: \(Endpoint.grammar). SIGINT, SIGTERM or SIGHUP makes it \
      stop accepting, finish what its clients are owed for up to --drain-timeout, and end; a later signal ends it at once.
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

  @Option(help: "How to wait.")
  var backend = BackendChoice.automatic

  @Option(help: "What to do for the clients.")
  var service = ServiceName.echo

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("How many threads share the clients; 0 makes one per core.", valueName: "n"))
  var threads = 1

  // Unconditional: the value may begin with a minus sign, and is then found out of range instead of missing.
  @Option(parsing: .unconditional, help: ArgumentHelp("Further clients wait to be accepted.", valueName: "n"))
  var maxConnections: Int?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Close connections on which nothing has moved for so long.", valueName: "seconds"))
  var idleTimeout: Double?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Stop reading from a client that is owed more than this.", valueName: "bytes"))
  var highWater = 1 << 20

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("How long to finish what clients are owed when told to stop.", valueName: "seconds"))
  var drainTimeout = 5.0

  @Flag(help: "Print each turn: what is registered, what was ready, what was done.")
  var trace = false

  /// More than any machine has cores.
  private static let maximumThreads = 1024

  func validate() throws {
    try Limits.require(maxConnections, atLeast: 1, "--max-connections")
    try Limits.require(highWater, atLeast: 1, "--high-water")
    try Limits.require(threads, atLeast: 0, atMost: Self.maximumThreads, "--threads")
    try Limits.requireSeconds(idleTimeout, "--idle-timeout")
    try Limits.requireSeconds(drainTimeout, orNone: true, "--drain-timeout")
  }

  func run() throws {
    Console.outliveReaders()
    OpenFiles.raiseLimit()
    let server = Server(try settings)
    let chosen = addresses + paths
    let endpoints = chosen.isEmpty ? [try Endpoint(Endpoint.usual, for: .listening)] : chosen
    try Foreground.serve(drainTimeout: drainTimeout) {
      try await server.run(at: endpoints)
    } stop: {
      server.stop()
    }
  }

  private var settings: Server.Settings {
    get throws {
      Server.Settings(
        service: service, backend: try backend.resolve(), threads: threads,
        maximumConnections: maxConnections ?? .max, highWater: highWater,
        idleTimeout: idleTimeout.map { .seconds($0) }, drainTimeout: .seconds(drainTimeout), isTraced: trace)
    }
  }
}
