import ArgumentParser
import Multiplex
import SystemPackage

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

  @Flag(help: "Print each turn: what is registered, what was ready, what was done.")
  var trace = false

  func validate() throws {
    // The kernel would choose a name of its own.
    guard !paths.contains("") else { throw ValidationError("--unix must be a path") }
    try Limits.require(maxConnections, atLeast: 1, "--max-connections")
    try Limits.require(highWater, atLeast: 1, "--high-water")
    try Limits.requireSeconds(idleTimeout, "--idle-timeout")
  }

  func run() throws {
    Console.outliveReaders()
    // One thread serves as many as it may: the usual limit of 1024 is too low for that.
    _ = try? OpenFileLimit.raise()
    let server = try Server(backend: backend.resolve(), settings: settings, trace: trace ? Trace() : nil)
    try listen(on: server)
    try report(server.run())
  }

  private func report(_ outcome: Server.Outcome) throws {
    switch outcome {
    case .stopped(unfinished: 0):
      return
    case .stopped(let unfinished):
      Console.complain("connections closed unfinished after 5 seconds: \(unfinished)")
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
      try listen(on: address, with: server)
    }
    for path in paths {
      try server.listen(on: .unix(path: path))
    }
    for address in server.addresses {
      Console.print("listening on \(address) (\(server.backend))")
    }
  }

  /// Listens at all addresses of a host that this machine has. A name may have more: where IPv6 is switched off,
  /// "localhost" often goes on being ::1 as well.
  private func listen(on host: HostPort, with server: Server) throws(MultiplexError) {
    var missing: MultiplexError?
    let addressesBefore = server.addresses.count
    for address in try host.resolve(for: .listening) {
      do {
        try server.listen(on: address)
      } catch let error where error.errno == .addressNotAvailable || error.errno == .addressFamilyNotSupported {
        missing = error
      }
    }
    if let missing, server.addresses.count == addressesBefore { throw missing }
  }
}
