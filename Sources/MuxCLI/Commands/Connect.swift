import ArgumentParser
import Multiplex
import MultiplexAsync

struct Connect: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Connects to a server, sends its input, and prints the replies.",
    discussion: """
      End of input half-closes the connection; further replies are still printed. If the server finishes first, input from \
      a file or pipe is sent until none arrives for 2 seconds; on a terminal, mux exits.
      """)

  @OptionGroup var target: TargetOptions

  @Option(
    name: [.customShort("w"), .long], parsing: .unconditional,
    help: ArgumentHelp("Time limit for connecting, and afterwards for inactivity.", valueName: "seconds"))
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
        try await ConnectSession(connection, idleTimeout: limit).run()
      } catch let error as ConnectionError {
        guard let timeout, error.reason == .timedOut, error.operation != .connect else {
          throw Failure(error, of: endpoint)
        }
        throw Failure("the connection was idle for \(Quantity.seconds(timeout))", .ioError)
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
