import ArgumentParser
import Multiplex
import MultiplexAsync

struct Connect: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Connects, sends what is typed, and prints what comes back.",
    discussion: """
      The end of input half-closes the connection; what still comes is printed. When the server has finished first, the rest \
      of a file or a pipe is still sent, for as long as no 2 seconds pass without any; on a terminal, that is the end.
      """)

  @OptionGroup var target: TargetOptions

  @Option(
    name: [.customShort("w"), .long], parsing: .unconditional,
    help: ArgumentHelp(
      "How long connecting may take, and how long nothing may move from then on.", valueName: "seconds"))
  var timeout: Double?

  func validate() throws {
    try Limits.requireSeconds(timeout, "--timeout")
  }

  func run() throws {
    let endpoint = try target.endpoint
    let timeout = timeout
    try Foreground.run {
      let limit = timeout.map { Duration.seconds($0) }
      do {
        let connection = try await Self.connect(to: endpoint, on: Reactor(), timeout: limit)
        if let limit { connection.setIdleTimeout(limit) }
        try await ConnectSession(connection).run()
      } catch let error as ConnectionError {
        guard let timeout, error.reason == .timedOut, error.operation != .connect else { throw Failure(error) }
        throw Failure("nothing came or went for \(Quantity.seconds(timeout))", .ioError)
      }
    }
  }

  private static func connect(
    to endpoint: Endpoint, on reactor: Reactor, timeout: Duration?
  ) async throws -> Connection {
    switch endpoint {
    case .network(let host): try await Connection.connect(to: host, on: reactor, timeout: timeout)
    case .unix(let path): try await Connection.connect(to: .unix(path: path), on: reactor, timeout: timeout)
    }
  }
}
