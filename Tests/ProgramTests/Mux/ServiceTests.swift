import Multiplex
import TestSupport
import Testing

/// The services, as their RFCs describe them.
@Suite("mux serve --service")
struct ServiceTests {
  @Test("discard reads everything and sends nothing (RFC 863)", arguments: usableBackends)
  func discard(backend: Poller.Backend) throws {
    let server = try MuxServer(backend, ["--service", "discard"])
    let peer = try server.connect()
    try peer.socket.sendAll(numbered(4 << 20), timeout: ChildProcess.limit)
    try peer.socket.shutdown(.writing)
    #expect(try peer.receiveToEnd() == [])
  }

  @Test(
    "chargen sends lines of 72 characters, each starting one character later, until the client leaves (RFC 864)",
    arguments: usableBackends)
  func chargen(backend: Poller.Backend) throws {
    let server = try MuxServer(backend, ["--service", "chargen"])
    let peer = try server.connect()
    // More lines than characters in the alphabet, so that the lines repeat.
    let lines = try peer.receiveText(200 * 74).split(separator: "\r\n")
    let alphabet = Array(
      " !\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefghijklmnopqrstuvwxyz{|}~")
    #expect(lines.count == 200)
    for (number, line) in lines.enumerated() {
      #expect(line == String((number..<number + 72).map { alphabet[$0 % alphabet.count] }))
    }
    peer.socket.close()
    #expect(eventually { server.openSockets == 1 })
  }

  @Test("daytime sends the date and time as one line, and closes (RFC 867)", arguments: usableBackends)
  func daytime(backend: Poller.Backend) throws {
    let server = try MuxServer(backend, ["--service", "daytime"])
    let peer = try server.connect()
    // The client's input is ignored, and must not make it lose the reply.
    try peer.send("what time is it?")
    let text = String(decoding: try peer.receiveToEnd(), as: UTF8.self)
    #expect(text.wholeMatch(of: #/[A-Z][a-z]+day, [A-Z][a-z]+ \d{1,2}, \d{4} \d\d:\d\d:\d\d-[A-Z0-9+:-]+\r\n/#) != nil)
    #expect(eventually { server.openSockets == 1 })
  }
}
