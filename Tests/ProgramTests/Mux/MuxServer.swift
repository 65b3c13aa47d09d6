import Foundation
import Multiplex
import TestSupport
import Testing

/// A running `mux serve`.
struct MuxServer {
  let process: ChildProcess
  /// The lines with its addresses.
  let greetings: [String]

  init(_ backend: Poller.Backend = .automatic, _ arguments: [String] = [], openFileLimit: Int? = nil) throws {
    let addresses = arguments.contains("--unix") || arguments.contains("--listen") ? [] : ["--listen", "127.0.0.1:0"]
    let all = ["serve", "--backend", backend.name] + addresses + arguments
    process = try ChildProcess.mux(all, openFileLimit: openFileLimit)
    let process = process
    let count = (addresses + arguments).count { $0 == "--listen" || $0 == "--unix" }
    greetings = try (0..<count).map { _ in try process.nextLine() }
  }

  /// The address in its first line: "listening on 127.0.0.1:9999 (epoll)", or "(epoll, 2 threads)".
  var address: SocketAddress {
    get throws { try ChildProcess.listeningAddress(in: #require(greetings.first)) }
  }

  var port: String {
    get throws { try address.port.map(String.init) ?? "" }
  }

  func connect() throws -> EchoPeer { try EchoPeer(connectingTo: address, of: process) }

  /// Asks it to stop, and waits until it has ended.
  func stop() throws -> TestSupport.ExitStatus {
    process.signal(SIGTERM)
    return try process.waitForExit()
  }

  /// The number of its open sockets.
  var openSockets: Int { process.openSockets }

  /// The processor time it has used so far, in the kernel's ticks of a hundredth of a second.
  var processorTicks: Int {
    get throws { try #require(KernelStatus("/proc/\(process.processID)/stat")?.processorTicks) }
  }

  /// Its resident memory, in KiB.
  var residentKiB: Int {
    get throws { try process.residentKiB }
  }
}
