import Multiplex
import SystemPackage
import TestSupport
import Testing

@Suite("echo-client")
struct EchoClientTests {
  @Test("a client prompts, sends each line and prints the reply, until its input ends")
  func lines() throws {
    let server = try EchoServer(.select)
    let client = try start(server.address)
    client.send("hello\nwörld 多路复用 🙂\nlast, without an end")
    client.closeInput()
    #expect(try client.waitForExit() == .exited(0))
    #expect(client.outputText == ">>:hello\n>>:wörld 多路复用 🙂\n>>:last, without an end\n>>:\n")
    #expect(client.errorText.isEmpty)
  }

  @Test("a client prompts before it waits, and again after each reply")
  func prompts() throws {
    let server = try EchoServer(.queued)
    let client = try start(server.address)
    for line in ["one", "two"] {
      #expect(try client.expect(">>:") == ">>:")
      client.send(line + "\n")
      #expect(try client.nextLine() == line)
    }
  }

  @Test("a client sends nothing for an empty line, and continues")
  func emptyLine() throws {
    let server = try EchoServer(.select)
    let client = try start(server.address)
    client.send("\n\nafter\n")
    client.closeInput()
    #expect(try client.waitForExit() == .exited(0))
    #expect(client.outputText == ">>:>>:>>:after\n>>:\n")
  }

  @Test("a client exits with status 0 if its input is empty")
  func noInput() throws {
    let server = try EchoServer(.select)
    let client = try start(server.address)
    client.closeInput()
    #expect(try client.waitForExit() == .exited(0))
    #expect(client.outputText == ">>:\n")
  }

  @Test("a client exchanges a line of many MiB with each server", arguments: EchoProgram.allCases)
  func longLine(program: EchoProgram) throws {
    let server = try EchoServer(program)
    let client = try start(server.address)
    // Any bytes except newlines.
    let line = numbered(9_000_001).map { $0 == 10 ? 11 : $0 }
    client.send(line + [10])
    client.closeInput()
    #expect(try client.waitForExit() == .exited(0))
    let isWhole = client.output == Array(">>:".utf8) + line + Array("\n>>:\n".utf8)
    #expect(isWhole)
  }

  @Test("a client prints a character whole that arrives in pieces")
  func splitCharacters() throws {
    let (client, server) = try startWithPlayedServer()
    let line = "é🙂复"
    client.send(line + "\n")
    #expect(try server.receiveText(line.utf8.count) == line)
    let prompt = ">>:".utf8.count
    for (index, byte) in line.utf8.enumerated() {
      try server.socket.sendAll([byte])
      #expect(eventually { client.output.count >= prompt + index + 1 })
    }
    #expect(try client.expect("\n") == ">>:\(line)\n")
  }

  @Test("a client ends when the server closes while it waits for the keyboard")
  func serverGoneAtPrompt() throws {
    let (client, server) = try startWithPlayedServer()
    try client.expect(">>:")
    server.socket.close()
    #expect(try client.waitForExit() == .exited(74))
    #expect(client.errorText == "echo-client: the server has closed the connection\n")
  }

  @Test("a client ends when the server closes in the middle of a reply, and prints the received part")
  func serverGoneInReply() throws {
    let (client, server) = try startWithPlayedServer()
    client.send("whole\n")
    #expect(try server.receiveText(5) == "whole")
    try server.send("wh")
    server.socket.close()
    #expect(try client.waitForExit() == .exited(74))
    #expect(client.outputText == ">>:wh\n")
    #expect(client.errorText == "echo-client: the server has closed the connection\n")
  }

  @Test("a client ends when the server resets the connection")
  func serverReset() throws {
    let (client, server) = try startWithPlayedServer()
    client.send("never read\n")
    #expect(try server.hasSomethingToRead())
    server.socket.close()
    #expect(try client.waitForExit() == .exited(74))
    #expect(client.errorText.contains("Connection reset by peer"))
    #expect(client.errorText.split(separator: "\n").count == 1)
  }

  @Test("a client ends when the server closes without reading all of a long line")
  func serverGoneInLine() throws {
    let (client, server) = try startWithPlayedServer()
    client.send([UInt8](repeating: 120, count: 64 << 20) + [10])
    #expect(try server.hasSomethingToRead())
    server.socket.close()
    #expect(try client.waitForExit() == .exited(74))
  }

  @Test("a client prints unsolicited bytes from the server")
  func unasked() throws {
    let (client, server) = try startWithPlayedServer()
    try client.expect(">>:")
    try server.send("welcome")
    #expect(try client.expect("welcome") == "welcome")
  }

  @Test("a client works with the tutorial's server", .enabled(if: TutorialProgram.canRun))
  func tutorialServer() throws {
    let server = try TutorialProgram.server.run(port: "0")
    let inputs = try server.line(containing: "laddr=('127.0.0.1', ")
    let port = try #require(inputs.split(separator: "laddr=('127.0.0.1', ").last?.prefix { $0.isNumber })
    let client = try start(SocketAddress("127.0.0.1:\(port)"))
    let long = String(repeating: "多路复用", count: 100_000)
    for line in ["hello", long, "bye"] {
      try client.expect(">>:")
      client.send(line + "\n")
      let isEchoed = try client.nextLine() == line
      #expect(isEchoed)
    }
    client.closeInput()
    #expect(try client.waitForExit() == .exited(0))
  }

  @Test("a client finds a server by name, whichever of the name's addresses it listens on")
  func byName() throws {
    let server = try EchoServer(.select)
    let client = try ChildProcess(Executable.built("echo-client"), ["localhost:\(server.port)"])
    client.send("hello\n")
    client.closeInput()
    #expect(try client.waitForExit() == .exited(0))
    #expect(client.outputText == ">>:hello\n>>:\n")
  }

  @Test("a client reports the address on which nothing listens")
  func refused() throws {
    try withUnusedAddress { address in
      let client = try start(address)
      #expect(try client.waitForExit() == .exited(69))
      #expect(client.errorText.hasPrefix("echo-client: connect \(address)"))
      #expect(client.errorText.contains("Connection refused"))
      #expect(client.errorText.split(separator: "\n").count == 1)
      #expect(client.output.isEmpty)
    }
  }

  @Test(
    "a client rejects invalid arguments",
    arguments: [["nonsense"], ["127.0.0.1:x:1"], ["a:1", "b:2"], ["--help"]])
  func badArguments(arguments: [String]) throws {
    let client = try ChildProcess(Executable.built("echo-client"), arguments)
    #expect(try client.waitForExit() == .exited(64))
    #expect(client.errorText.hasPrefix("echo-client: ") || client.errorText.hasPrefix("usage: "))
    #expect(client.errorText.split(separator: "\n").count == 1)
  }

  private func start(_ address: SocketAddress) throws -> ChildProcess {
    try ChildProcess(Executable.built("echo-client"), ["\(address)"])
  }

  /// Returns a client, and its server, which is played by the test.
  private func startWithPlayedServer() throws -> (client: ChildProcess, server: EchoPeer) {
    let listener = try Socket.listening(on: .ipv4(.loopback, port: 0))
    let client = try start(listener.localAddress())
    return (client, try EchoPeer(acceptedBy: listener))
  }
}
