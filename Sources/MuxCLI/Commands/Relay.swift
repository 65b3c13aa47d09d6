import ArgumentParser
import Multiplex
import MultiplexAsync

struct Relay: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Forwards connections both ways.",
    discussion: """
      An address is \(Endpoint.grammar). A slow side makes the other wait, and the end of one direction is passed on while \
      the other goes on. SIGINT, SIGTERM or SIGHUP makes the relay stop accepting, and go on with what it has for up to \
      --drain-timeout, but not with connections on which nothing moves; a later signal ends it at once.
      """)

  @Option(
    help: ArgumentHelp("Listen here. Port 0 lets the kernel choose.", valueName: "address"),
    transform: { try Endpoint($0, for: .listening) })
  var listen: Endpoint

  @Option(
    name: .customLong("to"), help: ArgumentHelp("Forward to there.", valueName: "address"),
    transform: { try Endpoint($0, for: .connecting) })
  var target: Endpoint

  @Option(help: "How to wait.")
  var backend = BackendChoice.automatic

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Further clients wait to be accepted (default: as many as the open files suffice for).", valueName: "n"))
  var maxConnections: Int?

  @Option(
    parsing: .unconditional, help: ArgumentHelp("How long the target may take to answer.", valueName: "seconds"))
  var connectTimeout = 10.0

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Close connections on which nothing has moved for so long.", valueName: "seconds"))
  var idleTimeout: Double?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("How long to go on with connections when told to stop.", valueName: "seconds"))
  var drainTimeout = 5.0

  func validate() throws {
    try Limits.require(maxConnections, atLeast: 1, "--max-connections")
    try Limits.requireSeconds(connectTimeout, "--connect-timeout")
    try Limits.requireSeconds(idleTimeout, "--idle-timeout")
    try Limits.requireSeconds(drainTimeout, orNone: true, "--drain-timeout")
  }

  func run() throws {
    Console.outliveReaders()
    OpenFiles.raiseLimit()
    let backend = try backend.resolve()
    do {
      let relay = RelayServer(
        targets: try target.addresses(for: .connecting), connectTimeout: .seconds(connectTimeout),
        idleTimeout: idleTimeout.map { .seconds($0) }, drainTimeout: .seconds(drainTimeout))
      let (endpoint, limit) = (listen, maxConnections)
      try Foreground.serve(drainTimeout: drainTimeout) {
        try await relay.run(at: endpoint, backend: backend, maximumConnections: limit)
      } stop: {
        relay.stop()
      }
    } catch let error as MultiplexError {
      throw Failure(error, otherwise: .unavailable)
    }
  }
}
