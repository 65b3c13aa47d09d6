import ArgumentParser
import Multiplex
import MultiplexAsync

struct Connect: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Connects, sends what is typed, and prints what comes back.",
    discussion: "The end of input half-closes the connection; what still comes is printed.")

  @Argument(help: "The server (default: 127.0.0.1:9999).", transform: { try HostPort($0) })
  var address: HostPort?

  @Option(name: .customLong("unix"), help: ArgumentHelp("Connect to a Unix socket.", valueName: "path"))
  var path: String?

  func validate() throws {
    guard address == nil || path == nil else {
      throw ValidationError("give either an address or --unix, not both")
    }
    guard path != "" else { throw ValidationError("--unix must be a path") }
  }

  func run() throws {
    let (address, path) = (try address ?? HostPort("127.0.0.1:9999"), path)
    try Foreground.run {
      do {
        let connection = try await Self.connect(to: address, path, on: Reactor())
        try await ConnectSession(connection).run()
      } catch let error as ConnectionError {
        throw Failure(error)
      }
    }
  }

  private static func connect(to host: HostPort, _ path: String?, on reactor: Reactor) async throws -> Connection {
    guard let path else { return try await Connection.connect(to: host, on: reactor) }
    return try await Connection.connect(to: .unix(path: path), on: reactor)
  }
}
