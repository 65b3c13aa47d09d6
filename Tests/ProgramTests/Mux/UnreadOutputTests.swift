import Glibc
import Multiplex
import TestSupport
import Testing

/// `mux` where nobody reads what it says.
@Suite("mux, with output that nobody reads")
struct UnreadOutputTests {
  /// Starts the tool with a stream going to a pipe, as a shell does it.
  private func run(_ arguments: [String], _ redirection: String, _ pipe: UnreadPipe) throws -> ChildProcess {
    try ChildProcess(
      "/bin/sh", ["-c", "exec \"$0\" \"$@\" \(redirection)\"$PIPE\"", try Executable.built("mux")] + arguments,
      environment: ["PIPE": pipe.path])
  }

  @Test("serves on with --trace, says later what is missing, and ends when told to", arguments: [false, true])
  func trace(isRead: Bool) throws {
    let folder = try TemporaryFolder()
    let address = SocketAddress.unix(path: folder.file("socket"))
    let pipe = try UnreadPipe()
    let server = try run(["serve", "--unix", folder.file("socket"), "--trace"], ">", pipe)
    try #require(eventually { (try? Socket.connected(to: address)) != nil })
    // Each turn tells of all of them: that is more than fits into the pipe and what waits for it.
    let idle = try (0..<100).map { _ in try EchoPeer(connectingTo: address) }
    for _ in 0..<500 {
      let peer = try EchoPeer(connectingTo: address)
      try peer.send("hello")
      #expect(try peer.receiveText(5) == "hello")
    }
    var text = ""
    if isRead {
      #expect(
        try eventually {
          text += String(decoding: try pipe.read(), as: UTF8.self)
          return text.contains(" dropped: output wasn't read in time\n")
        })
      #expect(text.hasPrefix("listening on "))
      #expect(text.contains(#/\nmux: [\d,]+ lines dropped/#))
    }
    server.signal(SIGTERM)
    #expect(try server.waitForExit() == .exited(0))
    withExtendedLifetime(idle) {}
  }

  @Test("serves and ends though nobody has read where it listens")
  func greeting() throws {
    let folder = try TemporaryFolder()
    let address = SocketAddress.unix(path: folder.file("socket"))
    let pipe = try UnreadPipe()
    try pipe.fill()
    let server = try run(["serve", "--unix", folder.file("socket")], ">", pipe)
    try #require(eventually { (try? Socket.connected(to: address)) != nil })
    let peer = try EchoPeer(connectingTo: address)
    try peer.send("hello")
    #expect(try peer.receiveText(5) == "hello")
    server.signal(SIGTERM)
    #expect(try server.waitForExit() == .exited(0))
  }

  @Test("relays on while the target is down, and ends when told to")
  func relay() throws {
    let folder = try TemporaryFolder()
    let pipe = try UnreadPipe()
    try pipe.fill()
    let relay = try run(["relay", "--listen", folder.file("socket"), "--to", folder.file("nowhere")], "2>", pipe)
    _ = try relay.line(containing: "listening on")
    for _ in 0..<20 {
      let client = try EchoPeer(connectingTo: .unix(path: folder.file("socket")))
      #expect(try client.receiveToEnd() == [])
    }
    relay.signal(SIGTERM)
    #expect(try relay.waitForExit() == .exited(0))
    #expect(!folder.exists("socket"))
  }
}
