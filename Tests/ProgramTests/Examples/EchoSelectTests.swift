import Multiplex
import TestSupport
import Testing

@Suite("echo-select")
struct EchoSelectTests {
  @Test("echo-select works with the tutorial's client", .enabled(if: TutorialProgram.canRun))
  func tutorialClient() throws {
    let server = try EchoServer(.select)
    let client = try TutorialProgram.client.run(port: server.port)
    for line in ["hello", "多路复用", "bye"] {
      try client.expect(">>:")
      client.send(line + "\n")
      #expect(try client.nextLine() == line)
    }
  }

  @Test("echo-select drops a client that reads nothing for too long, and serves the others again")
  func stuckClient() throws {
    let server = try EchoServer(.select)
    let stuck = try server.connect()
    _ = try stuck.fill(with: numbered(64 << 20))
    let patient = try server.connect()
    try patient.send("at last")
    #expect(try patient.receiveText(7) == "at last")
    #expect(try server.process.line(containing: "timed out").hasPrefix("send 127.0.0.1:"))
  }
}
