import Foundation
import Multiplex
import TestSupport
import Testing

/// `mux backends`, what this machine offers.
@Suite("mux backends")
struct BackendsTests {
  private func run(_ arguments: String...) throws -> ChildProcess {
    let process = try ChildProcess(try Executable.built("mux"), ["backends"] + arguments)
    #expect(try process.waitForExit() == .exited(0))
    return process
  }

  @Test("shows every backend, aligned, and which one auto takes")
  func table() throws {
    let lines = try run().outputText.split(separator: "\n").map(String.init)
    #expect(lines[0].hasPrefix("BACKEND"))
    let column = try #require(lines[0].range(of: "COST OF A WAIT")).lowerBound.utf16Offset(in: lines[0])
    for (line, backend) in zip(lines.dropFirst(), Poller.Backend.all) {
      #expect(line.hasPrefix(backend.name))
      #expect(line.dropFirst(column).hasPrefix("cost grows"))
      #expect(line.contains("*") == (backend == .automatic))
    }
    #expect(lines.count == Poller.Backend.all.count + 2)
  }

  @Test("prints the same as JSON")
  func json() throws {
    let object = try JSONSerialization.jsonObject(with: Data(try run("--json").output))
    let report = try #require(object as? [String: Any])
    let entries = try #require(report["backends"] as? [[String: Any]])
    #expect(entries.compactMap { $0["name"] as? String } == Poller.Backend.all.map(\.name))
    #expect(entries.count { $0["automatic"] as? Bool == true } == 1)
    #expect(entries.allSatisfy { ($0["maximumDescriptors"] as? Int ?? 0) > 0 })
  }
}
