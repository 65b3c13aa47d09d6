import Foundation
import Multiplex
import TestSupport
import Testing

/// `mux connect`, the client.
@Suite("mux connect")
struct ConnectTests {
  private func connect(to address: SocketAddress) throws -> ChildProcess {
    let arguments: [String]
    if case .unix(let path) = address {
      arguments = ["--unix", path]
    } else {
      arguments = ["\(address)"]
    }
    return try ChildProcess.mux(["connect"] + arguments)
  }

  @Test("sends its input and prints the reply, without a prompt if input is a pipe", arguments: usableBackends)
  func conversation(backend: Poller.Backend) throws {
    let server = try MuxServer(backend)
    let client = try connect(to: server.address)
    client.send("one\n")
    #expect(try client.nextLine() == "one")
    client.send("two\nthree")
    client.closeInput()
    #expect(try client.waitForExit() == .exited(0))
    #expect(client.outputText == "one\ntwo\nthree")
    #expect(client.errorText.isEmpty)
  }

  @Test("sends 64 MiB from a file and receives them unchanged", arguments: usableBackends)
  func bigFile(backend: Poller.Backend) throws {
    let server = try MuxServer(backend)
    let folder = try TemporaryFolder()
    try Data(numbered(64 << 20)).write(to: URL(fileURLWithPath: folder.file("sent")))
    let script = "\"$0\" connect 127.0.0.1:\"$1\" < \"$2/sent\" > \"$2/received\" && cmp \"$2/sent\" \"$2/received\""
    let shell = try ChildProcess(
      "/bin/sh", ["-c", script, try Executable.built("mux"), try server.port, folder.path])
    #expect(try shell.waitForExit(within: .seconds(120)) == .exited(0))
    #expect(shell.errorText.isEmpty)
  }

  @Test("connects over a Unix socket")
  func unixSocket() throws {
    let folder = try TemporaryFolder()
    let server = try MuxServer(.automatic, ["--unix", folder.file("socket")])
    let client = try connect(to: .unix(path: folder.file("socket")))
    client.send("hello\n")
    #expect(try client.nextLine() == "hello")
    client.closeInput()
    #expect(try client.waitForExit() == .exited(0))
    #expect(server.process.isRunning)
  }

  @Test("connects to a Unix socket that is given as an address")
  func unixAddress() throws {
    let folder = try TemporaryFolder()
    let server = try MuxServer(.automatic, ["--listen", "unix:\(folder.file("socket"))"])
    for address in ["unix:\(folder.file("socket"))", folder.file("socket")] {
      let client = try ChildProcess.mux(["connect", address])
      client.send("hello")
      client.closeInput()
      #expect(try client.waitForExit() == .exited(0))
      #expect(client.outputText == "hello")
    }
    #expect(server.process.isRunning)
  }

  @Test("connects to the relative address that a server prints, in the same directory")
  func printedAddress() throws {
    let folder = try TemporaryFolder()
    let script = "cd \"$1\" && exec \"$0\" serve --listen unix:other --unix socket"
    let mux = try Executable.built("mux")
    let server = try ChildProcess("/bin/sh", ["-c", script, mux, folder.path])
    for name in ["other", "socket"] {
      let line = try server.nextLine()
      #expect(line.hasPrefix("listening on unix:\(name) ("))
      let address = String(line.split(separator: " ")[2])
      let client = try ChildProcess(
        "/bin/sh", ["-c", "cd \"$1\" && exec \"$0\" connect \"$2\"", mux, folder.path, address])
      client.send("hello")
      client.closeInput()
      #expect(try client.waitForExit() == .exited(0))
      #expect(client.outputText == "hello")
    }
  }

  @Test("a client ends when the connection is idle for --timeout", arguments: ["--timeout", "-w"])
  func timeout(option: String) throws {
    let listener = try Socket.listening(on: .ipv4(.loopback, port: 0))
    let start = ContinuousClock.now
    let client = try ChildProcess.mux(["connect", option, "0.3", "\(try listener.localAddress())"])
    #expect(try client.waitForExit() == .exited(74))
    #expect(ContinuousClock.now - start >= .milliseconds(300))
    #expect(client.errorText == "mux: the connection was idle for 0.3 seconds\n")
  }

  @Test("a client that can't connect within --timeout says where")
  func connectTimeout() throws {
    let silent = try SilentListener()
    let client = try ChildProcess.mux(["connect", "--timeout", "0.3", "\(silent.address)"])
    #expect(try client.waitForExit() == .exited(69))
    #expect(client.errorText.contains("\(silent.address)"))
    withExtendedLifetime(silent) {}
  }

  @Test("half-closes at the end of input, and prints later replies")
  func lateReply() throws {
    let listener = try Socket.listening(on: .ipv4(.loopback, port: 0))
    let client = try connect(to: listener.localAddress())
    client.closeInput()
    let peer = try EchoPeer(acceptedBy: listener)
    #expect(try peer.receiveToEnd() == [])
    try peer.send("late")
    peer.socket.close()
    #expect(try client.waitForExit() == .exited(0))
    #expect(client.outputText == "late")
  }

  @Test("sends all of its input to a server that has finished first")
  func finishedFirst() throws {
    let listener = try Socket.listening(on: .ipv4(.loopback, port: 0))
    let client = try connect(to: listener.localAddress())
    let peer = try EchoPeer(acceptedBy: listener)
    try peer.send("hello")
    try peer.socket.shutdown(.writing)
    try client.expect("hello")
    // Sent late, in pieces, and much more than the kernel buffers.
    let bytes = numbered(32 << 20)
    for start in stride(from: 0, to: bytes.count, by: 8 << 20) {
      client.send(Array(bytes[start..<start + (8 << 20)]))
    }
    client.closeInput()
    let isWhole = try peer.receiveToEnd() == bytes
    #expect(isWhole)
    #expect(try client.waitForExit() == .exited(0))
    #expect(client.outputText == "hello" && client.errorText.isEmpty)
  }

  @Test("reports a reset when the server has closed before the input arrived, however short it is")
  func closedBefore() throws {
    let listener = try Socket.listening(on: .ipv4(.loopback, port: 0))
    let client = try connect(to: listener.localAddress())
    let peer = try EchoPeer(acceptedBy: listener)
    try peer.send("bye")
    peer.socket.close()
    try client.expect("bye")
    client.send("too late")
    client.closeInput()
    #expect(try client.waitForExit() == .exited(74))
    #expect(client.errorText.contains("reset"))
  }

  @Test("a client ends when the connection is idle for --timeout after the server has finished")
  func timeoutAfterEnd() throws {
    let listener = try Socket.listening(on: .ipv4(.loopback, port: 0))
    let client = try ChildProcess.mux(["connect", "--timeout", "0.5", "\(try listener.localAddress())"])
    let peer = try EchoPeer(acceptedBy: listener)
    try peer.socket.shutdown(.writing)
    #expect(try client.waitForExit() == .exited(74))
    #expect(client.errorText == "mux: the connection was idle for 0.5 seconds\n")
  }

  @Test("a client on a terminal ends when the server has finished", .enabled(if: Executable.installed("script") != nil))
  func finishedTerminal() throws {
    let listener = try Socket.listening(on: .ipv4(.loopback, port: 0))
    let command = "\(try Executable.built("mux")) connect \(try listener.localAddress())"
    let terminal = try ChildProcess(try #require(Executable.installed("script")), ["-qec", command, "/dev/null"])
    let peer = try EchoPeer(acceptedBy: listener)
    try peer.socket.shutdown(.writing)
    try terminal.expect(">>: \r\nmux: the server closed the connection")
    #expect(try terminal.waitForExit() == .exited(0))
  }

  @Test(
    "a client on a terminal says on a line of its own that the connection was idle",
    .enabled(if: Executable.installed("script") != nil))
  func idleTerminal() throws {
    let listener = try Socket.listening(on: .ipv4(.loopback, port: 0))
    let command = "\(try Executable.built("mux")) connect -w 0.3 \(try listener.localAddress())"
    let terminal = try ChildProcess(try #require(Executable.installed("script")), ["-qec", command, "/dev/null"])
    try terminal.expect(">>: \r\nmux: the connection was idle for 0.3 seconds")
    #expect(try terminal.waitForExit() == .exited(74))
  }

  @Test("a client exits with status 0 when the server has finished")
  func finishedServer() throws {
    let server = try MuxServer(.automatic, ["--service", "daytime"])
    let client = try connect(to: server.address)
    #expect(try client.waitForExit() == .exited(0))
    #expect(client.outputText.hasSuffix("\r\n"))
  }

  @Test("says why the connection was lost, also if the server had finished before", arguments: [false, true])
  func lostConnection(hasFinished: Bool) throws {
    let listener = try Socket.listening(on: .ipv4(.loopback, port: 0))
    let client = try connect(to: listener.localAddress())
    let peer = try EchoPeer(acceptedBy: listener)
    if hasFinished { try peer.socket.shutdown(.writing) }
    client.send("unread")
    #expect(try peer.hasSomethingToRead())
    // The input stays open; unread bytes turn a close into a reset.
    peer.socket.close()
    #expect(try client.waitForExit() == .exited(74))
    #expect(client.errorText.contains("reset"))
    #expect(client.errorText.split(separator: "\n").count == 1)
  }

  @Test("prints what the server sent before it reset the connection, though sending fails first")
  func replyBeforeReset() throws {
    let listener = try Socket.listening(on: .ipv4(.loopback, port: 0))
    let folder = try TemporaryFolder()
    try Data(numbered(16 << 20)).write(to: URL(fileURLWithPath: folder.file("sent")))
    let script = "exec \"$0\" connect \"$1\" < \"$2\""
    // Whether sending fails first is a matter of chance.
    for _ in 0..<40 {
      let client = try ChildProcess(
        "/bin/sh", ["-c", script, try Executable.built("mux"), "\(try listener.localAddress())", folder.file("sent")])
      let peer = try EchoPeer(acceptedBy: listener)
      #expect(try peer.hasSomethingToRead())
      try peer.send("too large")
      // Unread bytes turn a close into a reset.
      peer.socket.close()
      #expect(try client.waitForExit() == .exited(74))
      #expect(client.outputText == "too large")
      #expect(client.errorText.contains("reset") && client.errorText.split(separator: "\n").count == 1)
    }
  }

  @Test("reports that a server takes nothing more, though it stays connected")
  func deafServer() throws {
    let folder = try TemporaryFolder()
    let listener = try Socket.listening(on: .unix(path: folder.file("socket")))
    let client = try connect(to: .unix(path: folder.file("socket")))
    let peer = try EchoPeer(acceptedBy: listener)
    try peer.socket.shutdown(.reading)
    try peer.send("enough")
    #expect(
      eventually {
        client.send("unheard")
        return !client.isRunning
      })
    #expect(try client.waitForExit() == .exited(74))
    #expect(client.outputText == "enough")
    #expect(client.errorText.contains("reset") && client.errorText.split(separator: "\n").count == 1)
  }

  @Test("a client prompts on a terminal", .enabled(if: Executable.installed("script") != nil))
  func terminal() throws {
    let server = try MuxServer()
    let command = "\(try Executable.built("mux")) connect 127.0.0.1:\(try server.port)"
    let terminal = try ChildProcess(try #require(Executable.installed("script")), ["-qec", command, "/dev/null"])
    try terminal.expect(">>: ")
    terminal.send("hello\n")
    // The terminal's echo, then the server's.
    try terminal.expect("hello\r\n")
    try terminal.expect("hello\r\n>>: ")
    terminal.send([4])
    #expect(try terminal.waitForExit() == .exited(0))
  }
}
