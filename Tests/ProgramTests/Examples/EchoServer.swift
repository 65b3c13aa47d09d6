import Multiplex
import TestSupport
import Testing

/// A running server of the tutorial.
struct EchoServer {
  let process: ChildProcess
  let address: SocketAddress

  init(_ program: EchoProgram, openFileLimit: Int? = nil) throws {
    process = try ChildProcess(
      try Executable.built(program.rawValue), ["127.0.0.1:0"], openFileLimit: openFileLimit)
    address = try process.listeningAddress()
  }

  var port: String { address.port.map(String.init) ?? "" }

  func connect() throws -> EchoPeer { try EchoPeer(connectingTo: address, of: process) }

  /// Waits until the server has closed every connection, and has removed them from its list of inputs.
  func hasOnlyItsListener() throws -> Bool {
    let standardStreamsAndListener = 4
    guard eventually({ openDescriptors(of: "\(process.processID)").count == standardStreamsAndListener }) else {
      return false
    }
    // Some turns may have been printed earlier.
    for _ in 0..<1000 {
      let line = try process.line(containing: "inputs:")
      if line == "inputs: [<socket 3: \(address)>]" { return true }
    }
    return false
  }

  /// Measures how long the server takes for `count` turns of its loop. A turn in which nothing happens takes half a
  /// second.
  func time(ofTurns count: Int) throws -> Duration {
    // Turns that were printed earlier don't count.
    process.takeOutput()
    return try ContinuousClock().measure {
      for _ in 0..<count { _ = try process.line(containing: "rlist:") }
    }
  }
}
