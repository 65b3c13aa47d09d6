import Glibc
import Multiplex
import TestSupport
import Testing

/// `mux` with output that nobody reads.
@Suite("mux with unread output")
struct UnreadOutputTests {
  /// Starts the tool with a stream redirected to a pipe by a shell.
  private func run(_ arguments: [String], _ redirection: String, _ pipe: UnreadPipe) throws -> ChildProcess {
    try ChildProcess(
      "/bin/sh", ["-c", "exec \"$0\" \"$@\" \(redirection)\"$PIPE\"", try Executable.built("mux")] + arguments,
      environment: ["PIPE": pipe.path])
  }

  @Test(
    "a server with --trace keeps serving while its output is unread, counts dropped lines, and ends on a signal",
    arguments: [false, true])
  func trace(isRead: Bool) throws {
    let folder = try TemporaryFolder()
    let address = SocketAddress.unix(path: folder.file("socket"))
    let pipe = try UnreadPipe()
    let server = try run(["serve", "--unix", folder.file("socket"), "--trace"], ">", pipe)
    try #require(eventually { (try? Socket.connected(to: address)) != nil })
    // Each turn lists all of them: more than fits into the pipe and the queue.
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
    if !isRead {
      #expect(server.errorText.wholeMatch(of: #/mux: [\d,]+ lines of output lost\n/#) != nil)
    }
    withExtendedLifetime(idle) {}
  }

  @Test("a server with --trace says once that the disk is full, and at the end how many lines are lost")
  func fullDisk() throws {
    let folder = try TemporaryFolder()
    let address = SocketAddress.unix(path: folder.file("socket"))
    let server = try ChildProcess(
      "/bin/sh",
      ["-c", "exec \"$0\" serve --unix \"$1\" --trace > /dev/full", try Executable.built("mux"), folder.file("socket")])
    try #require(eventually { (try? Socket.connected(to: address)) != nil })
    let complaint = "mux: standard output: No space left on device; what can't be written is lost\n"
    #expect(eventually { server.errorText == complaint })
    for _ in 0..<3 {
      let peer = try EchoPeer(connectingTo: address)
      try peer.send("hello")
      #expect(try peer.receiveText(5) == "hello")
    }
    server.signal(SIGTERM)
    #expect(try server.waitForExit() == .exited(0))
    let match = try #require(
      server.errorText.dropFirst(complaint.count).wholeMatch(of: #/mux: (\d+) lines of output lost\n/#))
    // The greeting, and several for each client.
    #expect(try #require(Int(match.1)) > 10)
  }

  @Test("a server serves and ends though its greeting is unread")
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

  @Test("a relay whose warnings are unread keeps running while its target is down, and ends on a signal")
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
