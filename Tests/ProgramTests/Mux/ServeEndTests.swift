import Foundation
import Multiplex
import TestSupport
import Testing

/// The end of `mux serve`.
@Suite("mux serve after a signal")
struct ServeEndTests {
  @Test("a server exits with status 0 on a signal, also with idle clients", arguments: [SIGINT, SIGTERM, SIGHUP])
  func signals(signal: Int32) throws {
    let server = try MuxServer()
    let peer = try server.connect()
    try peer.send("hello")
    #expect(try peer.receiveText(5) == "hello")
    server.process.signal(signal)
    #expect(try server.process.waitForExit() == .exited(0))
    #expect(try peer.receiveToEnd() == [])
    #expect(server.process.errorText.isEmpty)
  }

  @Test("a server stops accepting on a signal, but sends all queued bytes", arguments: usableBackends)
  func drain(backend: Poller.Backend) throws {
    let server = try MuxServer(backend)
    let peer = try server.connect()
    let bytes = numbered(64 << 20)
    let count = try peer.fill(with: bytes, quietFor: .milliseconds(100))
    server.process.signal(SIGTERM)
    // A closed listener refuses.
    #expect(eventually { (try? server.connect()) == nil })
    try peer.socket.shutdown(.writing)
    let isWhole = try peer.receiveToEnd() == Array(bytes.prefix(count))
    #expect(isWhole)
    #expect(try server.process.waitForExit() == .exited(0))
  }

  @Test("a server drains a client that reads nothing for no longer than 5 seconds, and says so")
  func drainLimit() throws {
    let server = try MuxServer()
    let stuck = try server.connect()
    _ = try stuck.fill(with: numbered(64 << 20), quietFor: .milliseconds(100))
    let start = ContinuousClock.now
    #expect(try server.stop() == .exited(0))
    #expect(ContinuousClock.now - start >= .seconds(4.5))
    #expect(server.process.errorText.contains("unfinished after 5 seconds: 1"))
    stuck.socket.close()
  }

  @Test("a server drains for no longer than --drain-timeout, also with several threads", arguments: ["1", "2"])
  func drainTimeout(threads: String) throws {
    let server = try MuxServer(.automatic, ["--drain-timeout", "0.5", "--threads", threads])
    let stuck = try server.connect()
    _ = try stuck.fill(with: numbered(64 << 20), quietFor: .milliseconds(100))
    let start = ContinuousClock.now
    #expect(try server.stop() == .exited(0))
    #expect(ContinuousClock.now - start >= .milliseconds(500))
    #expect(server.process.errorText == "mux: connections closed unfinished after 0.5 seconds: 1\n")
    stuck.socket.close()
  }

  @Test("a chargen server stops generating characters on a signal", arguments: usableBackends)
  func chargen(backend: Poller.Backend) throws {
    let server = try MuxServer(backend, ["--service", "chargen", "--drain-timeout", "60"])
    let peer = try server.connect()
    _ = try peer.receive(1 << 20)
    server.process.signal(SIGTERM)
    #expect(eventually { (try? server.connect()) == nil })
    // Only what is queued, and what the kernel buffers.
    #expect(try peer.receive(64 << 20).count < 64 << 20)
    #expect(try server.process.waitForExit() == .exited(0))
    #expect(server.process.errorText.isEmpty)
  }

  @Test("a server with --drain-timeout 0 drains nothing")
  func noDrain() throws {
    let server = try MuxServer(.automatic, ["--drain-timeout", "0"])
    let peer = try server.connect()
    try peer.send("hello")
    #expect(try peer.receiveText(5) == "hello")
    #expect(try server.stop() == .exited(0))
    #expect(server.process.errorText.contains("after 0 seconds: 1"))
  }

  @Test("a server treats signals in quick succession as one, as `timeout` sends them")
  func repeatedSignal() throws {
    let folder = try TemporaryFolder()
    let server = try MuxServer(.automatic, ["--unix", folder.file("socket"), "--drain-timeout", "0.6"])
    let stuck = try EchoPeer(connectingTo: .unix(path: folder.file("socket")), of: server.process)
    _ = try stuck.fill(with: numbered(64 << 20), quietFor: .milliseconds(100))
    server.process.signal(SIGTERM)
    server.process.signal(SIGINT)
    #expect(try server.process.waitForExit() == .exited(0))
    #expect(server.process.errorText == "mux: connections closed unfinished after 0.6 seconds: 1\n")
    #expect(!folder.exists("socket"))
    stuck.socket.close()
  }

  @Test("a server isn't killed by a signal that arrives while it exits")
  func lateSignals() throws {
    for _ in 0..<10 {
      let server = try MuxServer()
      #expect(server.process.endsOfRepeated(SIGTERM))
      // The latter if the machine was too busy for the signals to follow closely.
      #expect([.exited(0), .exited(128 + SIGTERM)].contains(try server.process.waitForExit()))
    }
  }

  @Test(
    "a server goes on ignoring the signals that it was started to ignore, as by nohup, or in a script's background",
    arguments: [("HUP", SIGHUP), ("INT", SIGINT)])
  func ignoredSignals(name: String, number: Int32) throws {
    let script = "trap '' \(name); exec \"$0\" serve --listen 127.0.0.1:0"
    let server = try ChildProcess("/bin/sh", ["-c", script, try Executable.built("mux")])
    _ = try server.line(containing: "listening on")
    #expect(server.signalMask("SigIgn").contains(number))
    #expect(server.signalMask("SigBlk").contains(SIGTERM) && !server.signalMask("SigBlk").contains(number))
    server.signal(number)
    server.signal(SIGTERM)
    #expect(try server.waitForExit() == .exited(0))
  }

  @Test("a server exits at once on a second signal")
  func secondSignal() throws {
    // After the first signal, it would drain for longer than any wait here.
    let server = try MuxServer(.automatic, ["--drain-timeout", "1000"])
    let stuck = try server.connect()
    _ = try stuck.fill(with: numbered(64 << 20), quietFor: .milliseconds(100))
    server.process.signal(SIGTERM)
    #expect(eventually { (try? server.connect()) == nil })
    #expect(server.process.endsOfRepeated(SIGINT))
    #expect(try server.process.waitForExit() == .exited(128 + SIGINT))
    #expect(server.process.errorText.isEmpty)
    stuck.socket.close()
  }

  @Test(
    "a server or a relay ends on a signal while the name of its address is being looked up",
    .enabled(if: OwnHosts.isPossible), arguments: [SIGINT, SIGTERM, SIGHUP],
    [["serve"], ["relay", "--to", "127.0.0.1:1"]])
  func lookup(signal: Int32, command: [String]) throws {
    let folder = try TemporaryFolder()
    let path = folder.file("socket")
    let arguments = command + ["--listen", path, "--listen", "slow.example:0"]
    try OwnHosts.duringLookup(Executable.built("mux"), arguments) { server in
      #expect(server.isRunning && folder.exists("socket"))
      server.signal(signal)
      let status = try server.waitForExit()
      #expect(status == .exited(0))
      #expect(server.outputText.isEmpty && server.errorText.isEmpty)
      #expect(!folder.exists("socket"))
    }
  }

  @Test("a server that is stopped before it has started doesn't say that it listens")
  func early() throws {
    let server = try #require(try serverStoppedWhileStarting())
    server.signal(SIGTERM)
    server.signal(SIGCONT)
    #expect(try server.waitForExit() == .exited(0))
    #expect(server.outputText.isEmpty && server.errorText.isEmpty)
  }

  /// Stops a server's process before it has all of its threads, in one of a few attempts.
  private func serverStoppedWhileStarting() throws -> ChildProcess? {
    for _ in 0..<20 {
      let server = try ChildProcess.mux(["serve", "--listen", "127.0.0.1:0", "--backend", "epoll", "--threads", "256"])
      #expect(eventually { server.signalMask("SigBlk").contains(SIGTERM) })
      server.signal(SIGSTOP)
      #expect(eventually { server.isStopped })
      if server.threadNames.count <= 100 { return server }
    }
    return nil
  }

  @Test("a server removes its Unix socket file")
  func unixSocketFile() throws {
    let folder = try TemporaryFolder()
    let server = try MuxServer(.automatic, ["--unix", folder.file("socket")])
    #expect(folder.exists("socket"))
    #expect(try server.stop() == .exited(0))
    #expect(!folder.exists("socket"))
  }

  @Test("a server replaces the stale socket file of a killed server")
  func staleSocketFile() throws {
    let folder = try TemporaryFolder()
    let killed = try MuxServer(.automatic, ["--unix", folder.file("socket")])
    killed.process.signal(SIGKILL)
    _ = try killed.process.waitForExit()
    #expect(folder.exists("socket"))

    _ = try MuxServer(.automatic, ["--unix", folder.file("socket")])
  }
}
