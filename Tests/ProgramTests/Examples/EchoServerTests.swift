import Multiplex
import TestSupport
import Testing

/// What all three servers of the tutorial have in common.
@Suite("The tutorial's servers")
struct EchoServerTests {
  @Test("a server prints its inputs and the ready ones in each turn", arguments: EchoProgram.allCases)
  func printsTurns(program: EchoProgram) throws {
    let server = try EchoServer(program)
    #expect(try server.process.nextLine() == "inputs: [<socket 3: \(server.address)>]")
    #expect(try server.process.nextLine() == "rlist: []")
    let peer = try server.connect()
    #expect(try server.process.line(containing: "rlist: [<") == "rlist: [<socket 3: \(server.address)>]")
    let local = try peer.socket.localAddress()
    #expect(try server.process.nextLine() == "accepted <socket 4: \(server.address), peer \(local)>")
    let inputs = "inputs: [<socket 3: \(server.address)>, <socket 4: \(server.address), peer \(local)>]"
    #expect(try server.process.nextLine() == inputs)
  }

  @Test("a server echoes to netcat", .enabled(if: Executable.installed("nc") != nil), arguments: EchoProgram.allCases)
  func netcat(program: EchoProgram) throws {
    let server = try EchoServer(program)
    let netcat = try ChildProcess("nc", ["-N", "127.0.0.1", server.port])
    netcat.send("hello")
    netcat.closeInput()
    #expect(try netcat.waitForExit() == .exited(0))
    #expect(netcat.outputText == "hello")
  }

  @Test(
    "a server echoes to socat, which half-closes", .enabled(if: Executable.installed("socat") != nil),
    arguments: EchoProgram.allCases)
  func socat(program: EchoProgram) throws {
    let server = try EchoServer(program)
    let socat = try ChildProcess("socat", ["-t", "30", "-", "TCP:\(server.address)"])
    let bytes = numbered(1_000_003)
    socat.send(bytes)
    socat.closeInput()
    #expect(try socat.waitForExit() == .exited(0))
    let isWhole = socat.output == bytes
    #expect(isWhole)
  }

  @Test("a server serves two clients at once, and sends each its own bytes", arguments: EchoProgram.allCases)
  func twoClients(program: EchoProgram) throws {
    let server = try EchoServer(program)
    let (one, other) = (try server.connect(), try server.connect())
    for turn in 0..<10 {
      try one.send("one \(turn)")
      try other.send("other \(turn)")
      #expect(try other.receiveText(7) == "other \(turn)")
      #expect(try one.receiveText(5) == "one \(turn)")
    }
  }

  @Test("a server returns a large message whole to a slow reader", arguments: EchoProgram.allCases)
  func largeMessage(program: EchoProgram) throws {
    let server = try EchoServer(program)
    let peer = try server.connect()
    let bytes = numbered(9_000_001)
    var received = try peer.sendReluctantlyReading(bytes)
    received += try peer.receive(bytes.count - received.count)
    let isWhole = received == bytes
    #expect(isWhole)
  }

  @Test(
    "a server sends all queued bytes to a client that has finished sending, then closes",
    arguments: EchoProgram.allCases)
  func halfClose(program: EchoProgram) throws {
    let server = try EchoServer(program)
    let peer = try server.connect()
    let bytes = numbered(9_000_001)
    var received = try peer.sendReluctantlyReading(bytes)
    try peer.socket.shutdown(.writing)
    received += try peer.receiveToEnd()
    let isWhole = received == bytes
    #expect(isWhole)
    #expect(try server.hasOnlyItsListener())
  }

  @Test(
    "a server survives a client that resets its connection, and closes its own end", arguments: EchoProgram.allCases)
  func reset(program: EchoProgram) throws {
    let server = try EchoServer(program)
    let peer = try server.connect()
    try peer.send("never read")
    #expect(try peer.hasSomethingToRead())
    // Closing a socket with bytes unread resets the connection.
    peer.socket.close()
    #expect(try server.process.line(containing: "reset").contains("Connection reset by peer"))
    #expect(try server.hasOnlyItsListener())

    let next = try server.connect()
    try next.send("still there")
    #expect(try next.receiveText(11) == "still there")
  }

  @Test("a server survives a client that leaves in the middle of a large reply", arguments: EchoProgram.allCases)
  func resetWhileSending(program: EchoProgram) throws {
    let server = try EchoServer(program)
    let peer = try server.connect()
    _ = try peer.fill(with: numbered(64 << 20))
    peer.socket.close()
    #expect(try server.hasOnlyItsListener())
    #expect(server.process.isRunning)
  }

  @Test("a server closes the connections of clients that have left", arguments: EchoProgram.allCases)
  func closesConnections(program: EchoProgram) throws {
    let server = try EchoServer(program)
    for _ in 0..<20 {
      let peer = try server.connect()
      try peer.send("x")
      #expect(try peer.receiveText(1) == "x")
      peer.socket.close()
    }
    #expect(try server.hasOnlyItsListener())
  }

  @Test(
    "a server without free descriptors neither spins nor ends, and accepts again later",
    arguments: EchoProgram.allCases)
  func noDescriptors(program: EchoProgram) throws {
    // The standard streams, the listener and two connections.
    let server = try EchoServer(program, openFileLimit: 6)
    let peers = try (0..<4).map { _ in try server.connect() }
    #expect(try server.process.line(containing: "accept4").contains("open-file limit"))
    // Every other turn is without the listener, and takes half a second: eight turns take two seconds.
    #expect(try server.time(ofTurns: 8) > .seconds(1))

    try peers[0].send("0")
    #expect(try peers[0].receiveText(1) == "0")
    try peers[2].send("2")
    peers[0].socket.close()
    #expect(try peers[2].receiveText(1) == "2")
    #expect(server.process.isRunning)
  }

  @Test("a server reports the address that is in use", arguments: EchoProgram.allCases)
  func portInUse(program: EchoProgram) throws {
    let listener = try Socket.listening(on: .ipv4(.loopback, port: 0))
    let address = try listener.localAddress()
    let server = try ChildProcess(Executable.built(program.rawValue), ["\(address)"])
    #expect(try server.waitForExit() == .exited(69))
    #expect(server.output.isEmpty)
    #expect(server.errorText.hasPrefix("\(program.rawValue): bind \(address)"))
    #expect(server.errorText.contains("Address already in use"))
    #expect(server.errorText.split(separator: "\n").count == 1)
  }

  @Test(
    "a server rejects invalid arguments", arguments: EchoProgram.allCases,
    [["nonsense"], ["127.0.0.1"], ["127.0.0.1:65536"], ["::1:9999"], [""], ["127.0.0.1:0", "127.0.0.1:0"], ["--help"]])
  func badArguments(program: EchoProgram, arguments: [String]) throws {
    let server = try ChildProcess(Executable.built(program.rawValue), arguments)
    #expect(try server.waitForExit() == .exited(64))
    #expect(server.output.isEmpty)
    #expect(
      server.errorText.contains("HOST:PORT") || server.errorText.contains("the port is")
        || server.errorText.contains("brackets"))
    #expect(server.errorText.split(separator: "\n").count == 1)
  }
}
