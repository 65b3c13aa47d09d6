import Foundation
import Multiplex
import TestSupport
import Testing

/// How `mux serve` ends.
@Suite("mux serve, told to stop")
struct ServeEndTests {
  @Test("ends with status 0 on a signal, also with idle clients", arguments: [SIGINT, SIGTERM, SIGHUP])
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

  @Test("accepts no more, but finishes what clients are owed", arguments: usableBackends)
  func drain(backend: Poller.Backend) throws {
    let server = try MuxServer(backend)
    let peer = try server.connect()
    let bytes = EchoPeer.bytes(64 << 20)
    let count = try peer.fill(with: bytes, quietFor: .milliseconds(100))
    server.process.signal(SIGTERM)
    // A closed listener refuses.
    #expect(eventually { (try? server.connect()) == nil })
    try peer.socket.shutdown(.writing)
    let isWhole = try peer.receiveToEnd() == Array(bytes.prefix(count))
    #expect(isWhole)
    #expect(try server.process.waitForExit() == .exited(0))
  }

  @Test("waits no longer than 5 seconds for a client that takes nothing, and says so")
  func drainLimit() throws {
    let server = try MuxServer()
    let stuck = try server.connect()
    _ = try stuck.fill(with: EchoPeer.bytes(64 << 20), quietFor: .milliseconds(100))
    let start = ContinuousClock.now
    #expect(try server.stop() == .exited(0))
    #expect(ContinuousClock.now - start >= .seconds(4.5))
    #expect(server.process.errorText.contains("unfinished after 5 seconds: 1"))
    stuck.socket.close()
  }

  @Test("waits no longer than --drain-timeout, with several threads too", arguments: ["1", "2"])
  func drainTimeout(threads: String) throws {
    let server = try MuxServer(.automatic, ["--drain-timeout", "0.5", "--threads", threads])
    let stuck = try server.connect()
    _ = try stuck.fill(with: EchoPeer.bytes(64 << 20), quietFor: .milliseconds(100))
    let start = ContinuousClock.now
    #expect(try server.stop() == .exited(0))
    #expect(ContinuousClock.now - start >= .milliseconds(500))
    #expect(server.process.errorText == "mux: connections closed unfinished after 0.5 seconds: 1\n")
    stuck.socket.close()
  }

  @Test("doesn't go on generating characters for a client that reads on", arguments: usableBackends)
  func chargen(backend: Poller.Backend) throws {
    let server = try MuxServer(backend, ["--service", "chargen", "--drain-timeout", "60"])
    let peer = try server.connect()
    _ = try peer.receive(1 << 20)
    server.process.signal(SIGTERM)
    #expect(eventually { (try? server.connect()) == nil })
    // What is queued, and what the kernel holds.
    #expect(try peer.receive(64 << 20).count < 64 << 20)
    #expect(try server.process.waitForExit() == .exited(0))
    #expect(server.process.errorText.isEmpty)
  }

  @Test("with --drain-timeout 0 finishes nothing")
  func noDrain() throws {
    let server = try MuxServer(.automatic, ["--drain-timeout", "0"])
    let peer = try server.connect()
    try peer.send("hello")
    #expect(try peer.receiveText(5) == "hello")
    #expect(try server.stop() == .exited(0))
    #expect(server.process.errorText.contains("after 0 seconds: 1"))
  }

  @Test("takes signals that come close together for one, as `timeout` sends them")
  func repeatedSignal() throws {
    let folder = try TemporaryFolder()
    let server = try MuxServer(.automatic, ["--unix", folder.file("socket"), "--drain-timeout", "0.6"])
    let stuck = try EchoPeer(connectingTo: .unix(path: folder.file("socket")), of: server.process)
    _ = try stuck.fill(with: EchoPeer.bytes(64 << 20), quietFor: .milliseconds(100))
    server.process.signal(SIGTERM)
    server.process.signal(SIGINT)
    #expect(try server.process.waitForExit() == .exited(0))
    #expect(server.process.errorText == "mux: connections closed unfinished after 0.6 seconds: 1\n")
    #expect(!folder.exists("socket"))
    stuck.socket.close()
  }

  @Test("isn't killed by a signal that comes while it ends")
  func lateSignals() throws {
    for _ in 0..<10 {
      let server = try MuxServer()
      #expect(server.process.endsOfRepeated(SIGTERM))
      // The latter where this machine was so busy that they didn't come close together.
      #expect([.exited(0), .exited(128 + SIGTERM)].contains(try server.process.waitForExit()))
    }
  }

  @Test("outlives its terminal where it is told to, as by nohup")
  func ignoredHangUp() throws {
    let script = "trap '' HUP; exec \"$0\" serve --listen 127.0.0.1:0"
    let server = try ChildProcess("/bin/sh", ["-c", script, try Executable.built("mux")])
    _ = try server.line(containing: "listening on")
    #expect(server.signalMask("SigIgn").contains(SIGHUP))
    #expect(server.signalMask("SigBlk").contains(SIGTERM) && !server.signalMask("SigBlk").contains(SIGHUP))
    server.signal(SIGHUP)
    server.signal(SIGTERM)
    #expect(try server.waitForExit() == .exited(0))
  }

  @Test("ends at once on a second signal")
  func secondSignal() throws {
    // After the first it would go on for longer than anything waits here.
    let server = try MuxServer(.automatic, ["--drain-timeout", "1000"])
    let stuck = try server.connect()
    _ = try stuck.fill(with: EchoPeer.bytes(64 << 20), quietFor: .milliseconds(100))
    server.process.signal(SIGTERM)
    #expect(eventually { (try? server.connect()) == nil })
    #expect(server.process.endsOfRepeated(SIGINT))
    #expect(try server.process.waitForExit() == .exited(128 + SIGINT))
    #expect(server.process.errorText.isEmpty)
    stuck.socket.close()
  }

  @Test("removes the file of its Unix socket")
  func unixSocketFile() throws {
    let folder = try TemporaryFolder()
    let server = try MuxServer(.automatic, ["--unix", folder.file("socket")])
    #expect(folder.exists("socket"))
    #expect(try server.stop() == .exited(0))
    #expect(!folder.exists("socket"))
  }

  @Test("replaces the file of a socket that a killed server has left")
  func deadSocketFile() throws {
    let folder = try TemporaryFolder()
    let killed = try MuxServer(.automatic, ["--unix", folder.file("socket")])
    killed.process.signal(SIGKILL)
    _ = try killed.process.waitForExit()
    #expect(folder.exists("socket"))

    _ = try MuxServer(.automatic, ["--unix", folder.file("socket")])
  }
}
