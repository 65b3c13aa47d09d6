import Foundation
import Multiplex
import TestSupport
import Testing

/// The option `--inspect` itself, also in a tool that was built without the inspector.
@Suite("mux serve --inspect, the option")
struct InspectOptionTests {
  @Test(
    "an address that no browser can connect to is reported with exit status 64",
    arguments: ["nowhere", "8080", "127.0.0.1:99999", "unix:/tmp/socket", "/tmp/socket", ""])
  func wrongAddress(text: String) throws {
    let process = try ChildProcess.mux(["serve", "--inspect", text])
    #expect(try process.waitForExit() == .exited(64))
    #expect(process.errorText.contains("--inspect") && process.errorText.contains("'\(text)'"))
    #expect(process.errorText.contains(text.contains("99999") ? "65535" : "write HOST:PORT; a browser"))
    #expect(process.errorText.split(separator: "\n").count == 1)
  }

  @Test("the help says that it takes a package trait")
  func help() throws {
    let process = try ChildProcess.mux(["help", "serve"])
    #expect(try process.waitForExit() == .exited(0))
    let words = process.outputText.split { $0.isWhitespace }.joined(separator: " ")
    #expect(words.contains("--inspect <host:port>") && words.contains("package trait FlyingFox"))
  }

  #if !FlyingFox
    @Test("a tool without it says how to build one that has it, with exit status 69")
    func unavailable() throws {
      let process = try ChildProcess.mux(["serve", "--listen", "127.0.0.1:0", "--inspect", "127.0.0.1:8080"])
      #expect(try process.waitForExit() == .exited(69))
      #expect(
        process.errorText.contains(
          "swift run -c release --traits FlyingFox mux serve --inspect 127.0.0.1:8080"))
      #expect(process.outputText.isEmpty)
    }
  #endif
}
