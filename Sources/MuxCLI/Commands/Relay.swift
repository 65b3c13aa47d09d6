import ArgumentParser
import Multiplex
import MultiplexAsync

struct Relay: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Forwards connections in both directions.",
    discussion: """
      An address is \(Endpoint.grammar). Names are looked up once, at the start. A slow side makes the other wait. When one direction ends, the end is passed on \
      while the other direction continues. SIGINT, SIGTERM or SIGHUP makes the relay stop accepting, close idle \
      connections, drain the others for up to --drain-timeout, and exit; a later signal exits at once.
      """)

  @Option(
    help: ArgumentHelp("Listen here. Port 0 lets the kernel choose.", valueName: "address"),
    transform: { try Endpoint($0, for: .listening) })
  var listen: Endpoint

  @Option(
    name: .customLong("to"), help: ArgumentHelp("Forward to this address.", valueName: "address"),
    transform: { try Endpoint($0, for: .connecting) })
  var target: Endpoint

  @Option(help: "The backend to wait with.")
  var backend = BackendChoice.automatic

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Serve at most this many clients; others wait to be accepted (default: as many as the open-file limit allows).",
      valueName: "n"))
  var maxConnections: Int?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Time limit for each attempt to connect to the target.", valueName: "seconds"))
  var connectTimeout = 10.0

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Reset connections idle for this long.", valueName: "seconds"))
  var idleTimeout: Double?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Time to drain connections after a signal.", valueName: "seconds"))
  var drainTimeout = 5.0

  func validate() throws {
    try Limits.require(maxConnections, atLeast: 1, "--max-connections")
    try Limits.requireSeconds(connectTimeout, "--connect-timeout")
    try Limits.requireSeconds(idleTimeout, "--idle-timeout")
    try Limits.requireSeconds(drainTimeout, allowingZero: true, "--drain-timeout")
  }

  func run() throws {
    Console.ignoreBrokenPipes()
    OpenFiles.raiseLimit()
    let backend = try backend.resolve()
    let relay = RelayServer(
      targets: try target.addresses(for: .connecting), connectTimeout: .seconds(connectTimeout),
      idleTimeout: idleTimeout.map { .seconds($0) }, drainTimeout: .seconds(drainTimeout))
    let (endpoint, limit) = (listen, maxConnections)
    try Foreground.serve(drainTimeout: drainTimeout) {
      try await relay.run(at: endpoint, backend: backend, maximumConnections: limit)
    } stop: {
      relay.stop()
    }
  }
}
