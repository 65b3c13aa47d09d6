import Multiplex
import TestSupport

/// A running `mux relay`.
struct MuxRelay {
  let process: ChildProcess
  let greeting: String

  init(
    to target: String, _ backend: Poller.Backend = .automatic, listen: String = "127.0.0.1:0",
    _ arguments: [String] = [], openFileLimit: Int? = nil
  ) throws {
    process = try ChildProcess.mux(
      ["relay", "--listen", listen, "--to", target, "--backend", backend.name] + arguments,
      openFileLimit: openFileLimit)
    greeting = try process.nextLine()
  }

  /// The address in its greeting: "listening on 127.0.0.1:9999 (epoll), relaying to ...".
  var address: SocketAddress {
    get throws { try ChildProcess.listeningAddress(in: greeting) }
  }

  func connect() throws -> EchoPeer { try EchoPeer(connectingTo: address, of: process) }
}
