import ArgumentParser
import Multiplex

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
    do {
      let socket = try connect()
      try ConnectSession(socket).run()
    } catch let error as MultiplexError {
      throw Failure(error, otherwise: error.call == "connect" ? .unavailable : .ioError)
    }
  }

  private func connect() throws -> Socket {
    if let path { return try Socket.connected(to: .unix(path: path)) }
    return try Socket.connected(to: address ?? HostPort("127.0.0.1:9999"))
  }
}
