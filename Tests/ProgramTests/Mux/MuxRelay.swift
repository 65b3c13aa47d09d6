import Multiplex
import TestSupport
import Testing

/// A running `mux relay`.
struct MuxRelay {
  let process: ChildProcess
  /// The lines with its addresses.
  let greetings: [String]

  init(
    to target: String, _ backend: Poller.Backend = .automatic, listen: [String] = ["127.0.0.1:0"],
    _ arguments: [String] = [], openFileLimit: Int? = nil
  ) throws {
    let process = try ChildProcess.mux(
      ["relay"] + listen.flatMap { ["--listen", $0] } + ["--to", target, "--backend", backend.name] + arguments,
      openFileLimit: openFileLimit)
    self.process = process
    greetings = try listen.map { _ in try process.nextLine() }
  }

  /// The address in its first line: "listening on 127.0.0.1:9999 (epoll), relaying to ...".
  var address: SocketAddress {
    get throws { try ChildProcess.listeningAddress(in: #require(greetings.first)) }
  }

  func connect() throws -> EchoPeer { try EchoPeer(connectingTo: address, of: process) }
}
