import Foundation
import Multiplex
import TestSupport
import Testing

/// `mux backends`, which shows what this machine offers.
@Suite("mux backends")
struct BackendsTests {
  private func run(_ arguments: String...) throws -> ChildProcess {
    let process = try ChildProcess.mux(["backends"] + arguments)
    #expect(try process.waitForExit() == .exited(0))
    return process
  }

  @Test("prints an aligned table of all backends, and which one auto selects")
  func table() throws {
    let lines = try run().outputText.split(separator: "\n").map(String.init)
    #expect(lines[0].hasPrefix("BACKEND"))
    let column = try #require(lines[0].range(of: "COST OF A WAIT")).lowerBound.utf16Offset(in: lines[0])
    for (line, backend) in zip(lines.dropFirst(), Poller.Backend.allCases) {
      #expect(line.hasPrefix(backend.name))
      #expect(line.dropFirst(column).hasPrefix("cost grows"))
      #expect(line.contains("poller") == (backend == .automatic))
    }
    #expect(lines.count == Poller.Backend.allCases.count + 2)
  }

  @Test("prints the backends as JSON")
  func json() throws {
    let object = try JSONSerialization.jsonObject(with: Data(try run("--json").output))
    let report = try #require(object as? [String: Any])
    let entries = try #require(report["backends"] as? [[String: Any]])
    #expect(entries.compactMap { $0["name"] as? String } == Poller.Backend.allCases.map(\.name))
    #expect(entries.count { $0["automatic"] as? Bool == true } == 1)
    #expect(entries.count { $0["automaticForReactors"] as? Bool == true } == 1)
    #expect(entries.allSatisfy { ($0["maximumDescriptors"] as? Int ?? 0) > 0 })
  }

  @Test("says why io_uring doesn't work if it is forbidden", .enabled(if: Executable.installed("python3") != nil))
  func forbidden() throws {
    let process = try Sandbox.withoutRing(try Executable.built("mux"), ["backends"])
    #expect(try process.waitForExit() == .exited(0))
    let lines = process.outputText.split(separator: "\n")
    let row = try #require(lines.first { $0.hasPrefix("io_uring ") }).split(separator: " ")
    #expect(row[1] == "no")
    let reason = try #require(lines.first { $0.hasPrefix("io_uring: ") })
    #expect(reason.contains("Operation not permitted") && reason.contains("io_uring_disabled"))
    #expect(lines.contains { $0.hasPrefix("epoll ") && $0.contains("poller, reactor") })
  }

  @Test("a server warns once that io_uring isn't available", .enabled(if: Executable.installed("python3") != nil))
  func fallingBack() throws {
    let process = try Sandbox.withoutRing(try Executable.built("mux"), ["serve", "--listen", "127.0.0.1:0"])
    #expect(try process.nextLine().hasSuffix("(epoll)"))
    process.signal(SIGTERM)
    #expect(try process.waitForExit() == .exited(0))
    #expect(process.errorText.split(separator: "\n").count { $0.contains("io_uring isn't available") } == 1)
  }

  /// Each thread's ring counts, for ordinary users.
  @Test(
    "a server with more threads than there is memory for rings uses another backend for the others, and says so",
    .enabled(if: Executable.installed("setpriv") != nil && geteuid() == 0))
  func lockedMemory() throws {
    let process = try ChildProcess(
      "setpriv",
      [
        "--reuid", "65534", "--regid", "65534", "--clear-groups", "prlimit", "--memlock=8388608",
        try Executable.built("mux"), "serve", "--listen", "127.0.0.1:0", "--threads", "32",
      ])
    let greeting = try process.nextLine()
    #expect(greeting.hasSuffix("(io_uring, epoll, 32 threads)"))
    let address = try ChildProcess.listeningAddress(in: greeting)
    let peers = try (0..<64).map { _ in try EchoPeer(connectingTo: address, of: process) }
    for peer in peers {
      try peer.send("x")
      #expect(try peer.receiveText(1) == "x")
    }
    process.signal(SIGTERM)
    #expect(try process.waitForExit() == .exited(0))
    #expect(
      process.errorText.wholeMatch(of: /mux: io_uring isn't available for \d+ of 32 threads, .*ulimit -l.*\n/) != nil)
  }

  @Test("a server doesn't start on a forbidden backend", .enabled(if: Executable.installed("python3") != nil))
  func forbiddenServer() throws {
    let arguments = ["serve", "--backend", "io_uring", "--listen", "127.0.0.1:0"]
    let process = try Sandbox.withoutRing(try Executable.built("mux"), arguments)
    #expect(try process.waitForExit() == .exited(69))
    #expect(process.errorText.contains("'io_uring' doesn't work here"))
    #expect(process.errorText.contains("--backend auto"))
  }
}
