import Foundation
import Multiplex
import TestSupport
import Testing

@Suite("chat")
struct ChatTests {
  @Test("what one says, line by line, all the others get")
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

  @Test("a last line without an end gets one, and whoever has left is told nothing more")
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

  @Test("a line that is too long ends its client's connection alone")
  func longLine() throws {
    let chat = try ChatServer()
    let (wordy, other, third) = (try chat.connect(), try chat.connect(), try chat.connect())
    try wordy.send(String(repeating: "x", count: 5000))
    #expect(try wordy.isReset() || wordy.receiveToEnd().isEmpty)
    try other.send("still there\n")
    try expect("\(other.socket.localAddress()): still there\n", by: third)
  }

  @Test("one that doesn't read is out before long, and the others lose nothing")
  func slowReader() throws {
    let chat = try ChatServer()
    let (speaker, listener, stuck) = (try chat.connect(), try chat.connect(), try chat.connect())
    let line = String(repeating: "x", count: 4000) + "\n"
    let expected = "\(try speaker.socket.localAddress()): \(line)"
    // Each line is awaited, so that the others keep up; the stuck one's is kept: in the kernel first, then in the chat.
    var spoken = 0
    while chat.process.openSockets == 4, spoken < 20_000 {
      try speaker.send(line)
      guard try listener.receiveText(expected.utf8.count) == expected else {
        Issue.record("line \(spoken) is another one")
        return
      }
      spoken += 1
    }
    #expect(chat.process.openSockets == 3)
    try listener.send("still there\n")
    try expect("\(listener.socket.localAddress()): still there\n", by: speaker)
    withExtendedLifetime(stuck) {}
  }

  @Test("a signal ends it: everybody gets what was said, and the end", arguments: [SIGINT, SIGTERM])
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

  @Test("says that nobody more can join, for want of descriptors, and goes on")
  func fewDescriptors() throws {
    let chat = try ChatServer(openFileLimit: 24)
    let (one, other) = (try chat.connect(), try chat.connect())
    let crowd = try (0..<30).map { _ in try EchoPeer(connectingTo: chat.address) }
    #expect(eventually { chat.process.errorText.contains("ulimit -n") })
    try one.send("crowded\n")
    try expect("\(one.socket.localAddress()): crowded\n", by: other)
    withExtendedLifetime(crowd) {}
  }

  @Test("an address that is taken and arguments that make no sense are refused")
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

/// The chat, running on a port of its own.
private struct ChatServer {
  let process: ChildProcess
  let address: SocketAddress

  init(openFileLimit: Int? = nil) throws {
    process = try ChildProcess(Executable.built("multiplex-chat"), ["127.0.0.1:0"], openFileLimit: openFileLimit)
    address = try process.listeningAddress()
  }

  /// Connects, and waits until it is in: whoever comes later doesn't get what was said before.
  func connect() throws -> EchoPeer {
    let peer = try EchoPeer(connectingTo: address, of: process)
    let greeting = "you are \(try peer.socket.localAddress())\n"
    #expect(try peer.receiveText(greeting.utf8.count) == greeting)
    return peer
  }
}
