import Foundation
import Multiplex
import TestSupport
import Testing

/// `mux` with standard streams that are closed, full, or otherwise unusual.
@Suite("mux with unusual standard streams")
struct StandardStreamsTests {
  /// Runs the tool with its streams redirected by a shell.
  private func run(_ arguments: [String], _ redirection: String) throws -> ChildProcess {
    try ChildProcess("/bin/sh", ["-c", "exec \"$0\" \"$@\" \(redirection)", try Executable.built("mux")] + arguments)
  }

  @Test("serves with all standard streams closed, and gives their numbers to no socket", arguments: usableBackends)
  func serveClosed(backend: Poller.Backend) throws {
    let folder = try TemporaryFolder()
    let address = SocketAddress.unix(path: folder.file("socket"))
    let server = try run(
      ["serve", "--backend", backend.name, "--unix", folder.file("socket"), "--trace"], "<&- >&- 2>&-")
    try #require(eventually { (try? Socket.connected(to: address)) != nil })
    for number in 0...2 {
      let target = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(server.processID)/fd/\(number)")
      #expect(target == "/dev/null")
    }
    let peer = try EchoPeer(connectingTo: address)
    try peer.send("hello")
    try peer.socket.shutdown(.writing)
    #expect(try peer.receiveToEnd() == Array("hello".utf8))
    server.signal(SIGTERM)
    #expect(try server.waitForExit() == .exited(0))
  }

  @Test(
    "keeps serving when both of its outputs are full, or their reader has gone",
    arguments: [
      "exec \"$0\" \"$@\" > /dev/full 2>&1",
      // Neither end of a named pipe opens without the other.
      "mkfifo \"$FIFO\" && { : < \"$FIFO\" & exec \"$0\" \"$@\" > \"$FIFO\" 2>&1; }",
    ])
  func serveUnheard(script: String) throws {
    let folder = try TemporaryFolder()
    let address = SocketAddress.unix(path: folder.file("socket"))
    let server = try ChildProcess(
      "/bin/sh", ["-c", script, try Executable.built("mux"), "serve", "--unix", folder.file("socket"), "--trace"],
      environment: ["FIFO": folder.file("fifo")])
    try #require(eventually { (try? Socket.connected(to: address)) != nil })
    for _ in 0..<3 {
      let peer = try EchoPeer(connectingTo: address)
      try peer.send("hello")
      #expect(try peer.receiveText(5) == "hello")
    }
    #expect(server.isRunning)
  }

  @Test("doesn't serve on a chosen port that it can't print", arguments: [">/dev/full", ">&-"])
  func unknownPort(redirection: String) throws {
    for arguments in [["serve", "--listen", ":0"], ["relay", "--listen", ":0", "--to", "127.0.0.1:1"]] {
      let server = try run(arguments, redirection)
      #expect(try server.waitForExit() == .exited(74))
      #expect(server.errorText.hasPrefix("mux: standard output: ") && server.errorText.contains("port"))
    }
  }

  @Test("treats a closed standard input like an empty one when it connects")
  func connectWithoutInput() throws {
    let server = try MuxServer()
    let client = try run(["connect", "127.0.0.1:\(try server.port)"], "<&-")
    #expect(try client.waitForExit() == .exited(0))
    #expect(client.outputText.isEmpty)
  }

  @Test("fails with a message if standard output can't be written", arguments: [">/dev/full", ">&-"])
  func badOutput(redirection: String) throws {
    let server = try MuxServer()
    let client = try run(["connect", "127.0.0.1:\(try server.port)"], redirection)
    client.send("hello\n")
    let commands = [["backends"], ["backends", "--json"], ["help"], ["--version"], ["help", "serve"]]
    for process in [client] + (try commands.map { try run($0, redirection) }) {
      #expect(try process.waitForExit() == .exited(74))
      #expect(process.errorText.hasPrefix("mux: standard output: "))
      #expect(process.errorText.split(separator: "\n").count == 1)
    }
  }

  @Test("fails with a message if standard input can't be read")
  func badInput() throws {
    let server = try MuxServer()
    let client = try run(["connect", "127.0.0.1:\(try server.port)"], "< /")
    #expect(try client.waitForExit() == .exited(74))
    #expect(client.errorText.hasPrefix("mux: standard input: "))
  }

  @Test(
    "waits for room in a standard output that is non-blocking",
    .enabled(if: Executable.installed("python3") != nil))
  func nonBlockingOutput() throws {
    let server = try MuxServer()
    let program = "import os, sys; os.set_blocking(1, False); os.execv(sys.argv[1], sys.argv[1:])"
    let client = try ChildProcess(
      try #require(Executable.installed("python3")),
      ["-c", program, try Executable.built("mux"), "connect", "127.0.0.1:\(try server.port)"])
    let bytes = numbered(8 << 20)
    client.send(bytes)
    client.closeInput()
    #expect(try client.waitForExit() == .exited(0), "\(client.errorText)")
    let isWhole = client.output == bytes
    #expect(isWhole)
  }
}
