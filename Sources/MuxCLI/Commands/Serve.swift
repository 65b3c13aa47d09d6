import ArgumentParser
import Multiplex

struct Serve: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Serves many clients on one thread.",
    discussion: """
      Prints a line with the address for each that it listens on. SIGINT or SIGTERM makes it stop accepting, finish what \
      its clients are owed for up to 5 seconds, and end; a second signal ends it at once.
      """)

  @Option(
    name: .customLong("listen"),
    help: ArgumentHelp("Listen here; may be repeated. Port 0 lets the kernel choose.", valueName: "host:port"),
    transform: { try HostPort($0) })
  var addresses: [HostPort] = []

  @Option(
    name: .customLong("unix"),
    help: ArgumentHelp("Listen on a Unix socket; may be repeated.", valueName: "path"))
  var paths: [String] = []

  @Option(help: "How to wait.")
  var backend = BackendChoice.automatic

  @Option(help: "What to do for the clients.")
  var service = ServiceName.echo

  @Option(help: ArgumentHelp("Further clients wait to be accepted.", valueName: "n"))
  var maxConnections: Int?

  @Option(help: ArgumentHelp("Close connections on which nothing has moved for so long.", valueName: "seconds"))
  var idleTimeout: Double?

  @Option(help: ArgumentHelp("Stop reading from a client that is owed more than this.", valueName: "bytes"))
  var highWater = 1 << 20

  @Flag(help: "Print each turn: what is registered, what was ready, what was done.")
  var trace = false

  func validate() throws {
    try require(maxConnections ?? 1 >= 1, "--max-connections must be at least 1")
    try require(highWater >= 1, "--high-water must be at least 1")
    // A century, so that the sum with the present can't overflow.
    try require((0.001...3e9).contains(idleTimeout ?? 1), "--idle-timeout must be a number of seconds above 0")
  }

  private func require(_ condition: Bool, _ message: String) throws {
    guard condition else { throw ValidationError(message) }
  }

  func run() throws {
    Console.outliveReaders()
    // One thread serves as many as it may: the usual limit of 1024 is too low for that.
    _ = try? OpenFileLimit.raise()
    let server = try Server(backend: backend.resolve(), settings: settings, trace: trace ? Trace() : nil)
    do {
      try listen(on: server)
      try report(server.run())
    } catch let error as MultiplexError {
      throw Failure(error, otherwise: .unavailable)
    }
  }

  private func report(_ outcome: Server.Outcome) throws {
    switch outcome {
    case .stopped(unfinished: 0):
      return
    case .stopped(let unfinished):
      Console.complain("closed \(unfinished) connections that were not finished within 5 seconds")
    case .interrupted(let signal):
      // As a shell reports it.
      throw ExitCode(128 + signal)
    }
  }

  private var settings: Server.Settings {
    Server.Settings(
      service: service, maximumConnections: maxConnections ?? .max, highWater: highWater,
      idleTimeout: idleTimeout.map { .seconds($0) })
  }

  private func listen(on server: Server) throws {
    let usual = addresses.isEmpty && paths.isEmpty
    for address in usual ? [try HostPort("127.0.0.1:9999")] : addresses {
      for resolved in try address.resolve(for: .listening) {
        try server.listen(on: resolved)
      }
    }
    for path in paths {
      try server.listen(on: .unix(path: path))
    }
    for address in server.addresses {
      Console.print("listening on \(address) (\(server.backend))")
    }
  }
}
