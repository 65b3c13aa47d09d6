import Foundation
import Multiplex
import TestSupport
import Testing

@Suite("chat")
struct ChatTests {
  @Test("a chat posts each line of a client to all others")
  func conversation() throws {
    let chat = try ChatServer()
    let clients = try (0..<3).map { _ in try chat.connect() }
    for (number, client) in clients.enumerated() {
      try client.send("hello from \(number)\nand ")
      try client.send("again\n")
      let name = try client.socket.localAddress()
      for other in clients where other.socket != client.socket {
        try expect("\(name): hello from \(number)\n\(name): and again\n", by: other)
      }
    }
  }

  @Test("a chat terminates a last line without a newline, and posts nothing to clients that have left")
  func leaving() throws {
    let chat = try ChatServer()
    let (leaving, staying) = (try chat.connect(), try chat.connect())
    let name = try leaving.socket.localAddress()
    try leaving.send("bye")
    try leaving.socket.shutdown(.writing)
    try expect("\(name): bye\n", by: staying)
    try staying.send("anybody?\n")
    #expect(try leaving.receiveToEnd().isEmpty)
  }

  @Test("a line that is too long ends only its client's connection")
  func longLine() throws {
    let chat = try ChatServer()
    let (wordy, other, third) = (try chat.connect(), try chat.connect(), try chat.connect())
    try wordy.send(String(repeating: "x", count: 5000))
    #expect(try wordy.isReset() || wordy.receiveToEnd().isEmpty)
    try other.send("still there\n")
    try expect("\(other.socket.localAddress()): still there\n", by: third)
  }

  @Test("a chat disconnects a client that doesn't read, and the others lose nothing")
  func slowReader() throws {
    let chat = try ChatServer()
    let (speaker, listener, stuck) = (try chat.connect(), try chat.connect(), try chat.connect())
    let line = String(repeating: "x", count: 4000) + "\n"
    let expected = "\(try speaker.socket.localAddress()): \(line)"
    // Each line is awaited, so that the others keep up. The lines for the stuck client queue in the kernel, then in the
    // chat.
    var spoken = 0
    while chat.process.openSockets == 4, spoken < 20_000 {
      try speaker.send(line)
      guard try listener.receiveText(expected.utf8.count) == expected else {
        Issue.record("line \(spoken) differs")
        return
      }
      spoken += 1
    }
    #expect(chat.process.openSockets == 3)
    try listener.send("still there\n")
    try expect("\(listener.socket.localAddress()): still there\n", by: speaker)
    withExtendedLifetime(stuck) {}
  }

  @Test("a chat ends on a signal, after its clients have received all lines", arguments: [SIGINT, SIGTERM])
  func signal(number: Int32) throws {
    let chat = try ChatServer()
    let (speaker, listener) = (try chat.connect(), try chat.connect())
    try speaker.send("last words\n")
    try expect("\(speaker.socket.localAddress()): last words\n", by: listener)
    chat.process.signal(number)
    #expect(try listener.receiveToEnd().isEmpty)
    #expect(try chat.process.waitForExit() == .exited(0))
    #expect(chat.process.errorText.isEmpty)
  }

  @Test("a chat without free descriptors says that nobody else can join, and keeps running")
  func fewDescriptors() throws {
    let chat = try ChatServer(openFileLimit: 24)
    let (one, other) = (try chat.connect(), try chat.connect())
    let crowd = try (0..<30).map { _ in try EchoPeer(connectingTo: chat.address) }
    #expect(eventually { chat.process.errorText.contains("ulimit -n") })
    try one.send("crowded\n")
    try expect("\(one.socket.localAddress()): crowded\n", by: other)
    withExtendedLifetime(crowd) {}
  }

  @Test("a chat rejects invalid arguments and an address in use")
  func badArguments() throws {
    let taken = try Socket.listening(on: .ipv4(.loopback, port: 0))
    for (arguments, status) in [(["\(try taken.localAddress())"], 69), (["nonsense"], 64), (["--help"], 64)] {
      let chat = try ChildProcess(Executable.built("multiplex-chat"), arguments)
      #expect(try chat.waitForExit() == .exited(Int32(status)))
      #expect(chat.output.isEmpty)
      #expect(chat.errorText.split(separator: "\n").count == 1)
    }
  }

  private func expect(_ text: String, by client: EchoPeer) throws {
    #expect(try client.receiveText(text.utf8.count) == text)
  }
}

/// A running chat.
private struct ChatServer {
  let process: ChildProcess
  let address: SocketAddress

  init(openFileLimit: Int? = nil) throws {
    process = try ChildProcess(Executable.built("multiplex-chat"), ["127.0.0.1:0"], openFileLimit: openFileLimit)
    address = try process.listeningAddress()
  }

  /// Connects, and waits until the client has joined: lines that are said before aren't posted to it.
  func connect() throws -> EchoPeer {
    let peer = try EchoPeer(connectingTo: address, of: process)
    let greeting = "you are \(try peer.socket.localAddress())\n"
    #expect(try peer.receiveText(greeting.utf8.count) == greeting)
    return peer
  }
}
