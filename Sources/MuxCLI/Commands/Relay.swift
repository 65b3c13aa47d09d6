import ArgumentParser
import Multiplex
import MultiplexAsync

struct Relay: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Forwards connections in both directions.",
    discussion: """
      An address is \(Endpoint.grammar). Names are looked up once, at the start. A slow side makes the other wait. When \
      one direction ends, the end is passed on while the other direction continues.

      SIGINT, SIGTERM or SIGHUP makes the relay stop accepting, drain its connections for up to --drain-timeout, and exit; \
      a later signal exits at once. A target that has sent last is told, once nothing has moved for a second, that its \
      client has finished; when the target finishes too, both sides are closed. Connections left at the end are reset: \
      no client takes half of a reply for the whole.
      """)

  @Option(
    name: .customLong("listen"),
    help: ArgumentHelp("Listen here; may be repeated. Port 0 lets the kernel choose.", valueName: "address"),
    transform: { try Endpoint($0, for: .listening) })
  var addresses: [Endpoint]

  @Option(
    name: .customLong("to"), help: ArgumentHelp("Forward to this address.", valueName: "address"),
    transform: { try Endpoint($0, for: .connecting) })
  var target: Endpoint

  @OptionGroup var serving: ServingOptions

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
    help: ArgumentHelp(
      "Reset connections idle for this long. A peer that still takes what was sent to it isn't idle.",
      valueName: "seconds"))
  var idleTimeout: Double?

  func validate() throws {
    try Limits.require(maxConnections, atLeast: 1, "--max-connections")
    try Limits.requireSeconds(connectTimeout, "--connect-timeout")
    try Limits.requireSeconds(idleTimeout, "--idle-timeout")
  }

  func run() throws {
    Console.ignoreBrokenPipes()
    OpenFiles.raiseLimit()
    let relay = RelayServer(try settings)
    let endpoints = addresses
    try Foreground.serve(drainTimeout: serving.drainTimeout) {
      try await relay.run(at: endpoints)
    } stop: {
      relay.stop()
    }
  }

  private var settings: RelayServer.Settings {
    get throws {
      RelayServer.Settings(
        targets: try target.addresses(for: .connecting), backend: try serving.backend.resolve(),
        threads: serving.threads, maximumConnections: maxConnections, connectTimeout: .seconds(connectTimeout),
        idleTimeout: idleTimeout.map { .seconds($0) }, drainTimeout: .seconds(serving.drainTimeout))
    }
  }
}
