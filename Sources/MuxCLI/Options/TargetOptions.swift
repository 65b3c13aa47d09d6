import ArgumentParser
import Multiplex

/// The address to connect to, as an argument or as the value of `--unix`.
struct TargetOptions: ParsableArguments {
  @Argument(
    help: ArgumentHelp("The server: \(Endpoint.grammar); by default \(Endpoint.usual).", valueName: "address"),
    transform: { try Endpoint($0, for: .connecting) })
  private var target: Endpoint?

  @Option(
    name: .customLong("unix"), help: ArgumentHelp("Connect to a Unix socket.", valueName: "path"),
    transform: { try Endpoint(path: $0) })
  private var path: Endpoint?

  func validate() throws {
    guard target == nil || path == nil else { throw ValidationError("give either an address or --unix, not both") }
  }

  var endpoint: Endpoint {
    get throws { try target ?? path ?? Endpoint(Endpoint.usual, for: .connecting) }
  }
}
