import ArgumentParser
import Multiplex
import MultiplexAsync

struct Relay: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Forwards connections both ways.",
    discussion: """
      Each end is HOST:PORT, or the path of a Unix socket (unix:PATH, or any text with a slash). A slow side makes the \
      other wait, and the end of one direction is passed on while the other goes on. SIGINT or SIGTERM makes the relay \
      stop accepting, and go on with what it has for up to 5 seconds; a second signal ends it at once.
      """)

  @Option(
    help: ArgumentHelp("Listen here. Port 0 lets the kernel choose.", valueName: "end"),
    transform: { try Endpoint($0) })
  var listen: Endpoint

  @Option(
    name: .customLong("to"), help: ArgumentHelp("Forward to there.", valueName: "end"),
    transform: { try Endpoint($0) })
  var target: Endpoint

  @Option(help: "How to wait.")
  var backend = BackendChoice.automatic

  @Option(help: ArgumentHelp("Further clients wait to be accepted.", valueName: "n"))
  var maxConnections: Int?

  @Option(help: ArgumentHelp("How long the target may take to answer.", valueName: "seconds"))
  var connectTimeout = 10.0

  @Option(help: ArgumentHelp("Close connections on which nothing has moved for so long.", valueName: "seconds"))
  var idleTimeout: Double?

  func validate() throws {
    try Limits.require(maxConnections, atLeast: 1, "--max-connections")
    try Limits.requireSeconds(connectTimeout, "--connect-timeout")
    try Limits.requireSeconds(idleTimeout, "--idle-timeout")
  }

  func run() throws {
    Console.outliveReaders()
    _ = try? OpenFileLimit.raise()
    let backend = try backend.resolve()
    do {
      let relay = RelayServer(
        targets: try target.addresses(for: .connecting), connectTimeout: .seconds(connectTimeout),
        idleTimeout: idleTimeout.map { .seconds($0) })
      let address = try listen.addresses(for: .listening)[0]
      let (limit, drainLimit) = (maxConnections ?? .max, Limits.words(seconds: RelayServer.drainLimit))
      try Foreground.run {
        let unfinished = try await relay.run(at: address, backend: backend, maximumConnections: limit)
        if unfinished > 0 { Console.complain("connections closed unfinished after \(drainLimit): \(unfinished)") }
      } stop: {
        relay.stop()
      }
    } catch let error as MultiplexError {
      throw Failure(error, otherwise: .unavailable)
    }
  }
}
