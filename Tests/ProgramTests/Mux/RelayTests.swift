import Foundation
import Multiplex
import SystemPackage
import TestSupport
import Testing

/// `mux relay`, between a client and a target.
@Suite("mux relay")
struct RelayTests {
  @Test("forwards in both directions, including half-closes, and loses nothing", arguments: usableBackends)
  func bothWays(backend: Poller.Backend) throws {
    let server = try MuxServer(backend)
    let relay = try MuxRelay(to: "127.0.0.1:\(try server.port)", backend)
    let peer = try relay.connect()
    let bytes = numbered(16 << 20)
    var received = try peer.sendReluctantlyReading(bytes)
    try peer.socket.shutdown(.writing)
    received += try peer.receiveToEnd()
    let isWhole = received == bytes
    #expect(isWhole)
    #expect(eventually { server.openSockets == 1 })
    relay.process.signal(SIGTERM)
    #expect(try relay.process.waitForExit() == .exited(0))
  }

  @Test("passes on the end of one direction while the other continues", arguments: usableBackends)
  func halfClose(backend: Poller.Backend) throws {
    let listener = try Socket.listening(on: .ipv4(.loopback, port: 0))
    let relay = try MuxRelay(to: "\(try listener.localAddress())", backend)
    let client = try relay.connect()
    try client.send("question")
    try client.socket.shutdown(.writing)
    let target = try EchoPeer(acceptedBy: listener)
    #expect(try target.receiveToEnd() == Array("question".utf8))
    try target.send("answer")
    target.socket.close()
    #expect(try client.receiveToEnd() == Array("answer".utf8))
  }

  @Test("relays between TCP and Unix sockets in either direction")
  func unixSockets() throws {
    let folder = try TemporaryFolder()
    let server = try MuxServer(.automatic, ["--unix", folder.file("server")])
    let tcp = try MuxRelay(to: folder.file("server"))
    let unix = try MuxRelay(to: "\(try tcp.address)", listen: ["unix:\(folder.file("relay"))"])
    let peer = try EchoPeer(connectingTo: .unix(path: folder.file("relay")))
    try peer.send("through both")
    #expect(try peer.receiveText(12) == "through both")
    unix.process.signal(SIGTERM)
    #expect(try unix.process.waitForExit() == .exited(0))
    #expect(!folder.exists("relay"))
    #expect(tcp.process.isRunning && server.process.isRunning)
  }

  @Test("relays from all addresses that it listens at, on --threads", arguments: usableBackends)
  func threads(backend: Poller.Backend) throws {
    let folder = try TemporaryFolder()
    let path = folder.file("socket")
    let server = try MuxServer(backend)
    let target = "127.0.0.1:\(try server.port)"
    let relay = try MuxRelay(to: target, backend, listen: ["127.0.0.1:0", path], ["--threads", "2"])
    #expect(relay.greetings.allSatisfy { $0.hasSuffix("(\(backend), 2 threads), relaying to \(target)") })
    // Each thread has a listener at the port; one of them has that at the path, and hands its clients out.
    #expect(relay.process.openSockets == 3)
    let addresses = [try relay.address, .unix(path: path)]
    let peers = try (0..<32).map { try EchoPeer(connectingTo: addresses[$0 % 2], of: relay.process) }
    for (number, peer) in peers.enumerated() {
      try peer.send("client \(number)")
      try peer.socket.shutdown(.writing)
    }
    for (number, peer) in peers.enumerated() {
      #expect(try peer.receiveToEnd() == Array("client \(number)".utf8))
    }
    #expect(eventually { relay.process.openSockets == 3 })
    relay.process.signal(SIGTERM)
    #expect(try relay.process.waitForExit() == .exited(0))
    #expect(relay.process.errorText.isEmpty)
  }

  @Test("gives up a target that doesn't answer after --connect-timeout", arguments: usableBackends)
  func connectTimeout(backend: Poller.Backend) throws {
    let silent = try SilentListener()
    let relay = try MuxRelay(to: "\(silent.address)", backend, ["--connect-timeout", "0.3"])
    let start = ContinuousClock.now
    #expect(try resetsClient(relay))
    #expect(ContinuousClock.now - start >= .milliseconds(300))
    #expect(eventually { relay.process.errorText.hasSuffix("\n") })
    #expect(relay.process.errorText.contains("\(silent.address)"))
    withExtendedLifetime(silent) {}
  }

  @Test(
    "gives up the place of a client that leaves while the target is being connected to, but not of one that waits",
    arguments: usableBackends)
  func leavingClients(backend: Poller.Backend) throws {
    let folder = try TemporaryFolder()
    let silent = try SilentListener()
    let relay = try MuxRelay(
      to: "\(silent.address)", backend, listen: ["127.0.0.1:0", folder.file("socket")], ["--connect-timeout", "1000"])
    let (waiting, resetting) = try (relay.connect(), relay.connect())
    let closing = try EchoPeer(connectingTo: .unix(path: folder.file("socket")))
    // It has finished sending, and may be waiting for the answer.
    try waiting.send("question")
    try waiting.socket.shutdown(.writing)
    // Each has a connection of its own to the target.
    #expect(eventually { relay.process.openSockets == 8 })
    try resetting.socket.fileDescriptor.resetOnClose()
    resetting.socket.close()
    #expect(eventually { relay.process.openSockets == 6 })
    closing.socket.close()
    #expect(eventually { relay.process.openSockets == 4 })
    #expect(try select(reading: [waiting.socket], timeout: .milliseconds(500)).isEmpty)
    #expect(relay.process.errorText.isEmpty)
    withExtendedLifetime(silent) {}
  }

  @Test("tries all addresses of its target", .enabled(if: OwnHosts.isPossible))
  func secondAddress() throws {
    let unused = try UnusedAddress()
    let port = try #require(unused.address.port)
    let server = try MuxServer(.automatic, ["--listen", "127.0.0.2:\(port)"])
    let relay = try OwnHosts.run(
      "127.0.0.1 two\n127.0.0.2 two\n", try Executable.built("mux"), "relay", "--listen", "127.0.0.1:0", "--to",
      "two:\(port)")
    let peer = try EchoPeer(connectingTo: ChildProcess.listeningAddress(in: relay.nextLine()), of: relay)
    try peer.send("hello")
    #expect(try peer.receiveText(5) == "hello")
    withExtendedLifetime((unused, server)) {}
  }

  @Test("resets a client whose target is unreachable, says why, and keeps running", arguments: usableBackends)
  func unreachableTarget(backend: Poller.Backend) throws {
    let unused = try UnusedAddress()
    defer { withExtendedLifetime(unused) {} }
    let target = unused.address
    let start = ContinuousClock.now
    let relay = try MuxRelay(to: "\(target)", backend)
    #expect(try resetsClient(relay))
    #expect(eventually { relay.process.errorText.hasSuffix("\n") })
    let text = relay.process.errorText
    #expect(text.contains("\(target)") && text.contains("nothing listens there: is the server running?"))
    // Failures that follow closely are only counted.
    for _ in 0..<3 { #expect(try resetsClient(relay)) }
    relay.process.signal(SIGTERM)
    #expect(try relay.process.waitForExit() == .exited(0))
    #expect(
      relay.process.errorText.dropFirst(text.count)
        == "mux: 3 other clients closed without reaching a target since the last message\n"
        || ContinuousClock.now - start > ChildProcess.warningInterval)
  }

  /// Whether a client's connection is reset at once, perhaps before connecting has succeeded.
  private func resetsClient(_ relay: MuxRelay) throws -> Bool {
    do {
      return try relay.connect().isReset()
    } catch let error as MultiplexError {
      return error.errno == .connectionReset
    }
  }

  @Test("makes one side wait while the other reads nothing, in bounded memory", arguments: usableBackends)
  func slowSide(backend: Poller.Backend) throws {
    let listener = try Socket.listening(on: .ipv4(.loopback, port: 0))
    let relay = try MuxRelay(to: "\(try listener.localAddress())", backend)
    let client = try relay.connect()
    let before = try relay.process.residentKiB
    // More than the kernel buffers, which may be 40 MiB.
    let bytes = numbered(64 << 20)
    let count = try client.fill(with: bytes)
    #expect(count < bytes.count)
    #expect(relay.process.isRunning)
    #expect(try relay.process.peakResidentKiB - before < 8 << 10)
    try client.socket.shutdown(.writing)
    let target = EchoPeer(try #require(try listener.accept()))
    let isWhole = try target.receiveToEnd() == Array(bytes.prefix(count))
    #expect(isWhole)
  }

  @Test("resets a pair that was idle for --idle-timeout", arguments: usableBackends)
  func idleTimeout(backend: Poller.Backend) throws {
    let server = try MuxServer(backend)
    let relay = try MuxRelay(to: "127.0.0.1:\(try server.port)", backend, ["--idle-timeout", "0.3"])
    let start = ContinuousClock.now
    let client = try relay.connect()
    #expect(try client.isReset())
    #expect(ContinuousClock.now - start >= .milliseconds(300))
    #expect(eventually { server.openSockets == 1 })
  }

  @Test("isn't idle for --idle-timeout while a slow peer still takes what was sent to it", arguments: usableBackends)
  func slowReader(backend: Poller.Backend) throws {
    let listener = try Socket.listening(on: .ipv4(.loopback, port: 0))
    let relay = try MuxRelay(to: "\(try listener.localAddress())", backend, ["--idle-timeout", "0.5"])
    let client = try relay.connect()
    let target = try EchoPeer(acceptedBy: listener)
    let bytes = numbered(4 << 20)
    try target.socket.sendAll(bytes, timeout: ChildProcess.limit)
    try target.socket.shutdown(.writing)
    // Slow enough that the kernel holds much of it when the relay has sent everything.
    var received: [UInt8] = []
    while received.count < bytes.count {
      let piece = try client.receive(64 << 10)
      try #require(!piece.isEmpty)
      received += piece
      _ = try select(timeout: .milliseconds(50))
    }
    let isWhole = received == bytes
    #expect(isWhole)
    #expect(try client.receiveToEnd() == [])
  }

  @Test("resets a pair if a peer takes nothing for --idle-timeout of what was sent to it", arguments: usableBackends)
  func deafReader(backend: Poller.Backend) throws {
    let listener = try Socket.listening(on: .ipv4(.loopback, port: 0))
    let relay = try MuxRelay(to: "\(try listener.localAddress())", backend, ["--idle-timeout", "0.5"])
    let client = try relay.connect()
    let target = try EchoPeer(acceptedBy: listener)
    #expect(try target.fill(with: numbered(64 << 20), quietFor: .milliseconds(100)) > 0)
    #expect(eventually { relay.process.openSockets == 1 })
    withExtendedLifetime((client, target)) {}
  }

  @Test("serves at most --max-connections clients: others wait until one leaves", arguments: usableBackends)
  func maximumConnections(backend: Poller.Backend) throws {
    let server = try MuxServer(backend)
    let relay = try MuxRelay(to: "127.0.0.1:\(try server.port)", backend, ["--max-connections", "1"])
    let first = try relay.connect()
    try first.send("first")
    #expect(try first.receiveText(5) == "first")
    let second = try relay.connect()
    try second.send("second")
    #expect(try select(reading: [second.socket], timeout: .milliseconds(100)).isEmpty)
    first.socket.close()
    #expect(try second.receiveText(6) == "second")
  }

  @Test("passes on a reset by the target as a reset, not as the end", arguments: usableBackends)
  func resetTarget(backend: Poller.Backend) throws {
    let listener = try Socket.listening(on: .ipv4(.loopback, port: 0))
    let relay = try MuxRelay(to: "\(try listener.localAddress())", backend)
    let client = try relay.connect()
    try client.send("question")
    #expect(eventually { kernelReadiness(of: listener.fileDescriptor, for: .read) == [.readable] })
    let target = EchoPeer(try #require(try listener.accept()))
    try target.send("half an ans")
    #expect(try client.receiveText(11) == "half an ans")
    // Unread bytes turn a close into a reset.
    #expect(eventually { kernelReadiness(of: target.socket.fileDescriptor, for: .read) == [.readable] })
    target.socket.close()
    #expect(try client.isReset())
  }

  @Test(
    "passes on what a target sent before it was reset, while a client still sends, and then the reset",
    arguments: usableBackends)
  func answerBeforeReset(backend: Poller.Backend) throws {
    _ = try OddServer.serving(.rejects("too large")) { target in
      let relay = try MuxRelay(to: "\(target)", backend)
      let question = numbered(64 << 20)
      // Whether the relay's sending fails first is a matter of chance.
      for _ in 0..<20 {
        let client = try relay.connect()
        // More than the kernel takes: it ends when the connection is reset.
        #expect(throws: MultiplexError.self) { try client.socket.sendAll(question, timeout: ChildProcess.limit) }
        #expect(try client.receiveText(9) == "too large")
      }
      #expect(eventually { relay.process.openSockets == 1 })
    }
  }

  @Test(
    "passes on what a target sent before it was reset to a slow client, and then the reset", arguments: usableBackends)
  func slowReaderOfReset(backend: Poller.Backend) throws {
    let listener = try Socket.listening(on: .ipv4(.loopback, port: 0))
    let relay = try MuxRelay(to: "\(try listener.localAddress())", backend)
    let client = try relay.connect()
    try client.send("question")
    let target = try EchoPeer(acceptedBy: listener)
    #expect(try target.hasSomethingToRead())
    // More than the kernel buffers, which may be 40 MiB.
    let answer = numbered(64 << 20)
    let sent = try target.fill(with: answer)
    #expect(sent < answer.count)
    // What the relay's side of the connection has taken, a reset doesn't drop.
    let taken = try sent - Kernel.sendQueueLength(target.socket.fileDescriptor.rawValue)
    // Unread bytes turn a close into a reset.
    target.socket.close()
    let received = try client.receive(taken)
    let isRight = received.count == taken && received.elementsEqual(answer.prefix(taken))
    #expect(isRight)
    #expect(throws: MultiplexError.self) { try client.receiveToEnd() }
    #expect(eventually { relay.process.openSockets == 1 })
  }

  @Test("ends a pair whose target takes nothing more, and sends nothing", arguments: usableBackends)
  func deafTarget(backend: Poller.Backend) throws {
    let folder = try TemporaryFolder()
    let listener = try Socket.listening(on: .unix(path: folder.file("socket")))
    let relay = try MuxRelay(to: folder.file("socket"), backend)
    let client = try relay.connect()
    let target = try EchoPeer(acceptedBy: listener)
    try target.socket.shutdown(.reading)
    // On io_uring, a later message reports that an earlier one wasn't taken.
    #expect(throws: MultiplexError.self) {
      _ = try eventually {
        try client.send("unheard")
        return false
      }
    }
    #expect(try target.receiveToEnd() == [])
    #expect(eventually { relay.process.openSockets == 1 })
  }

  @Test(
    "serves as many clients as the open-file limit allows; others wait, and none is disconnected",
    arguments: usableBackends)
  func openFiles(backend: Poller.Backend) throws {
    let server = try MuxServer(backend)
    let start = ContinuousClock.now
    let relay = try MuxRelay(to: "127.0.0.1:\(try server.port)", backend, openFileLimit: 20)
    var clients = try (0..<10).map { _ in try relay.connect() }
    for client in clients { try client.send("x") }
    while !clients.isEmpty {
      let ready = try select(reading: clients.map(\.socket), timeout: ChildProcess.limit).reading
      try #require(!ready.isEmpty, "no client is served")
      // Clients that have their reply make room.
      for client in clients where ready.contains(client.socket) {
        #expect(try client.receiveText(1) == "x")
        client.socket.close()
      }
      clients.removeAll { $0.socket.isClosed }
    }
    #expect(eventually { relay.process.errorText.contains("the open-file limit allows only") })
    #expect(relay.process.warnsOnce(since: start))
  }

  @Test("fails with a message if the open-file limit doesn't allow a single pair")
  func tooFewFiles() throws {
    let relay = try ChildProcess.mux(["relay", "--listen", "127.0.0.1:0", "--to", "127.0.0.1:1"], openFileLimit: 13)
    #expect(try relay.waitForExit() == .exited(71))
    #expect(relay.errorText.contains("not enough open files") && relay.errorText.contains("ulimit -n"))
  }

  @Test("listens on all addresses of a name", .enabled(if: OwnHosts.isPossible))
  func everyAddress() throws {
    let relay = try OwnHosts.run(
      "127.0.0.1 both\n::1 both\n", Executable.built("mux"), "relay", "--listen", "both:0", "--to", "127.0.0.1:1")
    let places = [try relay.nextLine(), try relay.nextLine()]
    #expect(places.contains { $0.hasPrefix("listening on 127.0.0.1:") })
    #expect(places.contains { $0.hasPrefix("listening on [::1]:") })
  }

  @Test("calls a client without an address \"a client\"")
  func unnamedClient() throws {
    let folder = try TemporaryFolder()
    try withUnusedAddress { address in
      let relay = try MuxRelay(to: "\(address)", listen: [folder.file("socket")])
      let client = try EchoPeer(connectingTo: .unix(path: folder.file("socket")))
      #expect(try client.receiveToEnd() == [])
      #expect(eventually { relay.process.errorText.hasSuffix("closing the connection of a client\n") })
    }
  }

  @Test("resets both sides when one is reset", arguments: usableBackends)
  func reset(backend: Poller.Backend) throws {
    let server = try MuxServer(backend)
    let relay = try MuxRelay(to: "127.0.0.1:\(try server.port)", backend)
    let client = try relay.connect()
    _ = try client.fill(with: numbered(16 << 20), quietFor: .milliseconds(50))
    // Unread bytes turn a close into a reset.
    client.socket.close()
    #expect(eventually { server.openSockets == 1 })
    #expect(relay.process.isRunning)
  }

  @Test("closes an idle pair after a signal, without resetting it", arguments: usableBackends)
  func idlePair(backend: Poller.Backend) throws {
    // It would drain a pair in use for longer than any wait here.
    let (relay, client, target) = try pairWithReply("y", backend, drainTimeout: "1000")
    relay.process.signal(SIGTERM)
    try expectProperEnd(of: relay, client, target)
  }

  @Test("passes on all of a reply after a signal, though the target pauses in the middle", arguments: usableBackends)
  func pausedReply(backend: Poller.Backend) throws {
    let (relay, client, target) = try pairWithReply("half an", backend, drainTimeout: "1000")
    relay.process.signal(SIGTERM)
    // The pause is so long that the relay takes the pair for idle.
    try expectProperEnd(of: relay, client, target, sending: " answer")
  }

  @Test("resets a client whose target hasn't ended its reply by the end of --drain-timeout", arguments: usableBackends)
  func unendedReply(backend: Poller.Backend) throws {
    let (relay, client, target) = try pairWithReply("half an", backend, drainTimeout: "0.6")
    relay.process.signal(SIGTERM)
    #expect(try client.isReset())
    #expect(try relay.process.waitForExit() == .exited(0))
    #expect(relay.process.errorText == "mux: connections closed unfinished after 0.6 seconds: 1\n")
    withExtendedLifetime(target) {}
  }

  @Test("resets a client after a signal with --drain-timeout 0, also one that has just got its target")
  func noDrain() throws {
    let listener = try Socket.listening(on: .ipv4(.loopback, port: 0))
    // Whether the relay has its pair yet is a matter of chance.
    for _ in 0..<10 {
      let relay = try MuxRelay(to: "\(try listener.localAddress())", .automatic, ["--drain-timeout", "0"])
      let client = try relay.connect()
      let target = try EchoPeer(acceptedBy: listener)
      relay.process.signal(SIGTERM)
      #expect(try client.isReset())
      #expect(try relay.process.waitForExit() == .exited(0))
      #expect(relay.process.errorText == "mux: connections closed unfinished after 0 seconds: 1\n")
      withExtendedLifetime(target) {}
    }
  }

  @Test("resets a client that sends more after its idle pair was ended", arguments: usableBackends)
  func lateRequest(backend: Poller.Backend) throws {
    let (relay, client, target) = try pairWithReply("half an", backend, drainTimeout: "1000")
    relay.process.signal(SIGTERM)
    #expect(try target.receiveToEnd() == [])
    try client.send("another question")
    #expect(try client.isReset())
    #expect(try relay.process.waitForExit() == .exited(0))
    withExtendedLifetime(target) {}
  }

  /// Returns a pair whose client has asked, and whose target has sent a reply, or the first part of one.
  private func pairWithReply(
    _ reply: String, _ backend: Poller.Backend, drainTimeout: String
  ) throws -> (relay: MuxRelay, client: EchoPeer, target: EchoPeer) {
    let listener = try Socket.listening(on: .ipv4(.loopback, port: 0))
    let relay = try MuxRelay(to: "\(try listener.localAddress())", backend, ["--drain-timeout", drainTimeout])
    let client = try relay.connect()
    try client.send("question")
    let target = try EchoPeer(acceptedBy: listener)
    #expect(try target.receiveText(8) == "question")
    try target.send(reply)
    #expect(try client.receiveText(reply.utf8.count) == reply)
    return (relay, client, target)
  }

  /// Lets a target that was told that its client has finished send the rest, and finish too.
  private func expectProperEnd(
    of relay: MuxRelay, _ client: EchoPeer, _ target: EchoPeer, sending rest: String = ""
  ) throws {
    #expect(try target.receiveToEnd() == [])
    try target.send(rest)
    target.socket.close()
    #expect(try client.receiveToEnd() == Array(rest.utf8))
    #expect(try relay.process.waitForExit() == .exited(0))
    #expect(relay.process.errorText.isEmpty)
  }

  @Test("waits for the reply to a client's request after a signal", arguments: [true, false])
  func unansweredPair(hasFinished: Bool) throws {
    let listener = try Socket.listening(on: .ipv4(.loopback, port: 0))
    let relay = try MuxRelay(to: "\(try listener.localAddress())", .automatic, ["--drain-timeout", "30"])
    let client = try relay.connect()
    try client.send("question")
    if hasFinished { try client.socket.shutdown(.writing) }
    let target = try EchoPeer(acceptedBy: listener)
    #expect(try target.receiveText(8) == "question")
    relay.process.signal(SIGTERM)
    // The pair is idle for longer than idle pairs are kept: neither side gets an end that the other hasn't sent.
    let silent = hasFinished ? [client.socket] : [client.socket, target.socket]
    #expect(try select(reading: silent, timeout: .seconds(3)).isEmpty)
    try target.send("answer")
    target.socket.close()
    #expect(try client.receiveToEnd() == Array("answer".utf8))
    // The relay would wait for a client that may still send, up to its drain timeout.
    client.socket.close()
    #expect(try relay.process.waitForExit() == .exited(0))
    #expect(relay.process.errorText.isEmpty)
  }

  @Test("ends at once on a second signal")
  func signals() throws {
    let listener = try Socket.listening(on: .ipv4(.loopback, port: 0))
    let relay = try MuxRelay(to: "\(try listener.localAddress())", .automatic, ["--drain-timeout", "60"])
    let client = try stuckClient(of: relay)
    relay.process.signal(SIGINT)
    #expect(eventually { (try? relay.connect()) == nil })
    #expect(relay.process.endsOfRepeated(SIGINT))
    #expect(try relay.process.waitForExit() == .exited(128 + SIGINT))
    withExtendedLifetime((listener, client)) {}
  }

  @Test("prints the number of connections that are unfinished at the end of --drain-timeout")
  func unfinishedConnections() throws {
    let listener = try Socket.listening(on: .ipv4(.loopback, port: 0))
    // The line is the last output, and might be lost: eight relays give that several chances.
    let relays = try (0..<8).map { _ in
      try MuxRelay(to: "\(try listener.localAddress())", .automatic, ["--drain-timeout", "0.6"])
    }
    let clients = try relays.map(stuckClient)
    for relay in relays { relay.process.signal(SIGTERM) }
    for relay in relays {
      #expect(try relay.process.waitForExit() == .exited(0))
      #expect(relay.process.errorText == "mux: connections closed unfinished after 0.6 seconds: 1\n")
    }
    // Keeps the connections open until here.
    withExtendedLifetime((listener, clients)) {}
  }

  /// Returns a client of a relay whose target reads nothing.
  private func stuckClient(of relay: MuxRelay) throws -> EchoPeer {
    let client = try relay.connect()
    _ = try client.fill(with: numbered(32 << 20), quietFor: .milliseconds(100))
    return client
  }
}
