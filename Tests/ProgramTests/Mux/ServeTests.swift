import Foundation
import Multiplex
import MultiplexAsync
import TestSupport
import Testing

/// What clients of `mux serve` can rely on, on every backend.
@Suite("mux serve")
struct ServeTests {
  @Test("prints its address with the actual port, and its backend", arguments: usableBackends)
  func greeting(backend: Poller.Backend) throws {
    let server = try MuxServer(backend)
    let port = try #require(try server.address.port)
    #expect(port != 0)
    #expect(server.greetings == ["listening on 127.0.0.1:\(port) (\(backend))"])
  }

  @Test("servers and relays take the backend that suits a reactor best, unless told otherwise")
  func defaultBackend() throws {
    for arguments in [["serve"], ["relay", "--to", "127.0.0.1:1"]] {
      let process = try ChildProcess.mux(arguments + ["--listen", "127.0.0.1:0"])
      #expect(try process.nextLine().contains("(\(Reactor.automaticBackend))"))
    }
  }

  @Test("listens on several addresses at once: IPv4, IPv6 and Unix")
  func severalAddresses() throws {
    let folder = try TemporaryFolder()
    let server = try MuxServer(
      .automatic, ["--listen", "127.0.0.1:0", "--listen", "[::1]:0", "--unix", folder.file("socket")])
    let addresses = try server.greetings.dropLast().map(ChildProcess.listeningAddress(in:))
    for address in addresses + [.unix(path: folder.file("socket"))] {
      let peer = try EchoPeer(connectingTo: address)
      try peer.send("to \(address)")
      #expect(try peer.receiveText("to \(address)".utf8.count) == "to \(address)")
    }
  }

  @Test("listens on those addresses of a name that this machine has", .enabled(if: OwnHosts.isPossible))
  func missingAddress() throws {
    let mux = try Executable.built("mux")
    let server = try OwnHosts.run("0.0.0.0 half\n2001:db8::1 half\n", mux, "serve", "--listen", "half:0")
    #expect(try server.nextLine().hasPrefix("listening on 0.0.0.0:"))
    server.signal(SIGTERM)
    #expect(try server.waitForExit() == .exited(0))

    let other = try OwnHosts.run("2001:db8::1 none\n", mux, "serve", "--listen", "none:0")
    #expect(try other.waitForExit() == .exited(69))
    #expect(other.errorText.contains("network interface"))
  }

  @Test("echoes to nc", .enabled(if: Executable.installed("nc") != nil), arguments: usableBackends)
  func netcat(backend: Poller.Backend) throws {
    let server = try MuxServer(backend)
    let nc = try ChildProcess(try #require(Executable.installed("nc")), ["-N", "127.0.0.1", try server.port])
    nc.send("hello")
    nc.closeInput()
    #expect(try nc.waitForExit() == .exited(0))
    #expect(nc.outputText == "hello")
  }

  @Test("returns a long message whole to a client that reads only when it must", arguments: usableBackends)
  func longMessage(backend: Poller.Backend) throws {
    let server = try MuxServer(backend, ["--high-water", "100000"])
    let peer = try server.connect()
    let bytes = numbered(16 << 20)
    var received = try peer.sendReluctantlyReading(bytes)
    try peer.socket.shutdown(.writing)
    received += try peer.receiveToEnd()
    let isWhole = received == bytes
    #expect(isWhole)
  }

  @Test("frees the memory of a burst when traffic is light again", arguments: usableBackends)
  func burst(backend: Poller.Backend) throws {
    let server = try MuxServer(backend)
    let peers = try (0..<400).map { _ in try server.connect() }
    for peer in peers {
      try peer.send("here")
      #expect(try peer.receiveText(4) == "here")
    }
    let before = try server.residentKiB
    let bytes = numbered(48 << 10)
    // Stopped, so that everything arrives at once.
    server.process.signal(SIGSTOP)
    for peer in peers { try peer.socket.sendAll(bytes) }
    server.process.signal(SIGCONT)
    for peer in peers {
      let isWhole = try peer.receive(bytes.count) == bytes
      #expect(isWhole)
    }
    let grown = try server.process.peakResidentKiB - before
    // As many messages as it takes to notice that fewer buffers are enough.
    for _ in 0..<10_000 {
      try peers[0].send("a")
      try #require(try peers[0].receiveText(1) == "a")
    }
    #expect(try server.residentKiB - before <= grown / 2 + 512)
  }

  @Test(
    "queues no more than --high-water for a client that reads nothing, and serves the others",
    arguments: usableBackends)
  func slowReader(backend: Poller.Backend) throws {
    let server = try MuxServer(backend, ["--high-water", "65536"])
    let before = try server.residentKiB
    let stuck = try server.connect()
    // More than the kernel buffers, which may be 40 MiB.
    let bytes = numbered(64 << 20)
    let count = try stuck.fill(with: bytes)
    #expect(count < bytes.count)
    #expect(try server.residentKiB - before < 8 << 10)

    let other = try server.connect()
    try other.send("quick")
    #expect(try other.receiveText(5) == "quick")

    try stuck.socket.shutdown(.writing)
    let isWhole = try stuck.receiveToEnd() == Array(bytes.prefix(count))
    #expect(isWhole)
  }

  @Test("doesn't let one client that sends without end starve the others", arguments: usableBackends)
  func firehose(backend: Poller.Backend) throws {
    let server = try MuxServer(backend)
    let hose = try ChildProcess(
      "/bin/sh",
      [
        "-c", "exec \"$0\" connect 127.0.0.1:\"$1\" < /dev/zero > /dev/null",
        try Executable.built("mux"), try server.port,
      ])
    let peer = try server.connect()
    for round in 0..<200 {
      try peer.send("message \(round)")
      let reply = try peer.receiveText("message \(round)".utf8.count)
      #expect(reply == "message \(round)")
    }
    #expect(hose.isRunning)
  }

  @Test("survives clients that reset their connections while it reads or writes", arguments: usableBackends)
  func resets(backend: Poller.Backend) throws {
    let server = try MuxServer(backend)
    for isReading in [false, true] {
      let peer = try server.connect()
      _ = try peer.fill(with: numbered(isReading ? 100_000 : 16 << 20), quietFor: .milliseconds(50))
      // Unread bytes turn a close into a reset.
      peer.socket.close()
    }
    #expect(eventually { server.openSockets == 1 })
    let peer = try server.connect()
    try peer.send("still here")
    #expect(try peer.receiveText(10) == "still here")
  }

  @Test("sends all queued bytes to a client that half-closes, then closes", arguments: usableBackends)
  func halfClose(backend: Poller.Backend) throws {
    let server = try MuxServer(backend)
    let peer = try server.connect()
    let bytes = numbered(300_000)
    try peer.socket.sendAll(bytes, timeout: ChildProcess.limit)
    try peer.socket.shutdown(.writing)
    let isWhole = try peer.receiveToEnd() == bytes
    #expect(isWhole)
    #expect(eventually { server.openSockets == 1 })
  }

  @Test("leaves no descriptor behind when many clients come and go", arguments: usableBackends)
  func churn(backend: Poller.Backend) throws {
    let server = try MuxServer(backend)
    for round in 0..<300 {
      let peer = try server.connect()
      if round % 3 > 0 { try peer.send("x") }
      if round % 3 > 1 { #expect(try peer.receiveText(1) == "x") }
    }
    #expect(eventually { server.openSockets == 1 })
  }

  /// The kernel refuses to poll more descriptors than a process may have open.
  @Test("says why it can't wait, and goes on when it can again", .enabled(if: Executable.installed("prlimit") != nil))
  func failingWaits() throws {
    let start = ContinuousClock.now
    let server = try MuxServer(.poll)
    let peers = try (0..<20).map { _ in try server.connect() }
    for peer in peers {
      try peer.send("x")
      #expect(try peer.receiveText(1) == "x")
    }
    func limitOpenFiles(to count: Int) throws {
      let arguments = ["--pid", "\(server.process.processID)", "--nofile=\(count):"]
      #expect(try ChildProcess(try #require(Executable.installed("prlimit")), arguments).waitForExit() == .exited(0))
    }
    try limitOpenFiles(to: 16)
    try peers[0].send("y")
    #expect(eventually { server.process.errorText.contains("can't wait for connections: ppoll") })
    try limitOpenFiles(to: 256)
    #expect(try peers[0].receiveText(1) == "y")
    #expect(server.process.warnsOnce(since: start))
    for peer in peers { peer.socket.close() }
  }

  /// Each poll of a ring reports the end of the input as well, and that never changes again.
  @Test(
    "clients that have finished sending, and don't read, cost neither processor time nor threads",
    arguments: usableBackends)
  func halfClosedClients(backend: Poller.Backend) throws {
    let server = try MuxServer(backend, ["--service", "chargen"])
    let peers = try (0..<50).map { _ in try server.connect() }
    for peer in peers { try peer.socket.shutdown(.writing) }
    var last = 0
    var quietSince = ContinuousClock.now
    let isQuiet = try eventually {
      let ticks = try server.processorTicks
      if ticks != last { quietSince = .now }
      last = ticks
      return ContinuousClock.now - quietSince > .milliseconds(500)
    }
    #expect(isQuiet)
    #expect(server.process.threadNames.allSatisfy { !$0.hasPrefix("iou-wrk") })
    for peer in peers { peer.socket.close() }
  }

  @Test(
    "neither spins nor ends when it runs out of descriptors, and accepts again later", arguments: usableBackends)
  func noDescriptors(backend: Poller.Backend) throws {
    let start = ContinuousClock.now
    let server = try MuxServer(backend, openFileLimit: 16)
    var peers = try (0..<20).map { _ in try server.connect() }
    #expect(try eventually { try server.process.errorText.contains("can't accept connections at \(server.address):") })
    #expect(server.process.errorText.contains("ulimit -n"))
    let ticks = try server.processorTicks
    // It must not be busy in this time: three quarters of it would be.
    let quietSince = ContinuousClock.now
    block(for: .milliseconds(500))
    let elapsed = ContinuousClock.now - quietSince
    #expect(try .milliseconds(10) * (server.processorTicks - ticks) < elapsed / 4 * 3)
    // It has tried several times meanwhile, and warned once.
    #expect(server.process.warnsOnce(since: start))

    // Closing the accepted connections makes room for the waiting ones.
    let last = peers.removeLast()
    try last.send("patience")
    peers.removeAll()
    #expect(try last.receiveText(8) == "patience")
  }

  @Test("doesn't complain of too few descriptors while no client waits for one", arguments: usableBackends)
  func lastDescriptor(backend: Poller.Backend) throws {
    let limit = 16
    let server = try MuxServer(backend, openFileLimit: limit)
    var peers: [EchoPeer] = []
    var descriptors: Int { openDescriptors(of: "\(server.process.processID)").count }
    while descriptors < limit {
      try #require(peers.count < limit)
      peers.append(try server.connect())
      try peers[peers.count - 1].send("x")
      #expect(try peers[peers.count - 1].receiveText(1) == "x")
    }
    // Several times as long as it waits before it tries again.
    #expect(!eventually(within: .milliseconds(300)) { !server.process.errorText.isEmpty })
    let waiting = try server.connect()
    #expect(try eventually { try server.process.errorText.contains("can't accept connections at \(server.address):") })
    peers.removeAll()
    try waiting.send("x")
    #expect(try waiting.receiveText(1) == "x")
  }

  @Test("serves at most --max-connections clients: others wait until one leaves", arguments: usableBackends)
  func maximumConnections(backend: Poller.Backend) throws {
    let server = try MuxServer(backend, ["--max-connections", "2"])
    var peers = try (0..<3).map { _ in try server.connect() }
    for peer in peers { try peer.send("hello") }
    for peer in peers.prefix(2) { #expect(try peer.receiveText(5) == "hello") }
    #expect(server.openSockets == 3)
    #expect(try select(reading: [peers[2].socket], timeout: .milliseconds(100)).isEmpty)
    peers.removeFirst()
    #expect(try peers[1].receiveText(5) == "hello")
  }

  @Test("closes a connection that was idle for --idle-timeout", arguments: usableBackends)
  func idleTimeout(backend: Poller.Backend) throws {
    let server = try MuxServer(backend, ["--idle-timeout", "0.3"])
    let start = ContinuousClock.now
    let peer = try server.connect()
    #expect(try peer.receiveToEnd() == [])
    #expect(ContinuousClock.now - start >= .milliseconds(300))
  }

  @Test("doesn't close a connection that is in use after --idle-timeout", arguments: usableBackends)
  func used(backend: Poller.Backend) throws {
    let server = try MuxServer(backend, ["--idle-timeout", "1"])
    let start = ContinuousClock.now
    var last = start
    let peer = try server.connect()
    while last - start < .seconds(2) {
      let now = ContinuousClock.now
      guard (try? peer.send("x")) != nil, (try? peer.receiveText(1)) == "x" else {
        // On a machine that is too busy, the connection really was idle for too long.
        #expect(ContinuousClock.now - last >= .seconds(1))
        return
      }
      last = now
      block(for: .milliseconds(100))
    }
  }

  @Test("applies --max-connections to all of its listeners together")
  func maximumOverAll() throws {
    let folder = try TemporaryFolder()
    let server = try MuxServer(
      .automatic,
      ["--max-connections", "1", "--threads", "2", "--listen", "127.0.0.1:0", "--unix", folder.file("socket")])
    let first = try server.connect()
    try first.send("x")
    #expect(try first.receiveText(1) == "x")
    let second = try EchoPeer(connectingTo: .unix(path: folder.file("socket")))
    try second.send("y")
    #expect(try select(reading: [second.socket], timeout: .milliseconds(100)).isEmpty)
    first.socket.close()
    #expect(try second.receiveText(1) == "y")
  }

  @Test("spreads its clients over --threads", arguments: usableBackends, [false, true])
  func threads(backend: Poller.Backend, isUnix: Bool) throws {
    let folder = try TemporaryFolder()
    let path = folder.file("socket")
    let server = try MuxServer(
      backend, ["--threads", "3", "--trace"] + (isUnix ? ["--unix", path] : ["--listen", "127.0.0.1:0"]))
    #expect(try #require(server.greetings.first).hasSuffix("(\(backend), 3 threads)"))
    let address = isUnix ? SocketAddress.unix(path: path) : try server.address
    // The kernel spreads TCP connections by a hash: with 64 connections, none of three threads stays without one.
    let peers = try (0..<64).map { _ in try EchoPeer(connectingTo: address) }
    for (number, peer) in peers.enumerated() {
      try peer.send("client \(number)")
      #expect(try peer.receiveText("client \(number)".utf8.count) == "client \(number)")
    }
    // Each thread has clients registered.
    for thread in 1...3 {
      #expect(
        eventually {
          server.process.outputText.split(separator: "\n").contains { line in
            line.hasPrefix("thread \(thread) ") && line.contains("client for read")
          }
        })
    }
    #expect(try server.stop() == .exited(0))
    #expect(server.process.errorText.isEmpty)
  }

  @Test("starts one thread per usable processor with --threads 0")
  func threadPerProcessor() throws {
    let server = try MuxServer(.automatic, ["--threads", "0", "--trace"])
    let allowed = try #require(allowedProcessors(of: server.process.processID))
    let processors = min(allowed, ProcessorQuota.current ?? allowed)
    let threads = processors == 1 ? "" : ", \(processors) threads"
    #expect(try #require(server.greetings.first).hasSuffix("(\(Poller.Backend.automatic)\(threads))"))
  }

  @Test("prints each turn with --trace", arguments: usableBackends)
  func trace(backend: Poller.Backend) throws {
    let server = try MuxServer(backend, ["--trace"])
    // The server greets before it waits: it may accept this client without having found anything ready.
    try Socket.connected(to: server.address).close()
    #expect(try server.process.line(containing: "closed: finished").contains("done:"))
    let peer = try server.connect()
    try peer.send("hello")
    #expect(try peer.receiveText(5) == "hello")
    #expect(try server.process.line(containing: "registered:").contains("listener for read"))
    #expect(try server.process.line(containing: "ready:").contains("readable"))
    #expect(try server.process.line(containing: "done:").contains("accepted"))
    #expect(try server.process.line(containing: "received 5, sent 5").contains("done:"))
  }
}
