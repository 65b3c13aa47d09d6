import Multiplex
import TestSupport
import Testing

/// The services, as their RFCs describe them.
@Suite("mux serve --service")
struct ServiceTests {
  @Test("discard takes everything and says nothing (RFC 863)", arguments: usableBackends)
  func discard(backend: Poller.Backend) throws {
    let server = try MuxServer(backend, ["--service", "discard"])
    let peer = try server.connect()
    try peer.socket.sendAll(EchoPeer.bytes(4 << 20), timeout: ChildProcess.limit)
    try peer.socket.shutdown(.writing)
    #expect(try peer.receiveToEnd() == [])
  }

  @Test(
    "chargen sends lines of 72 characters, each begun one later, until the client goes (RFC 864)",
    arguments: usableBackends)
  func chargen(backend: Poller.Backend) throws {
    let server = try MuxServer(backend, ["--service", "chargen"])
    let peer = try server.connect()
    // More than the alphabet has characters, so that the lines begin anew.
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

  @Test("daytime sends the date and time as a line, and closes (RFC 867)", arguments: usableBackends)
  func daytime(backend: Poller.Backend) throws {
    let server = try MuxServer(backend, ["--service", "daytime"])
    let peer = try server.connect()
    // What the client says is nobody's concern, and must not cost it the answer.
    try peer.send("what time is it?")
    let text = String(decoding: try peer.receiveToEnd(), as: UTF8.self)
    #expect(text.wholeMatch(of: #/[A-Z][a-z]+day, [A-Z][a-z]+ \d{1,2}, \d{4} \d\d:\d\d:\d\d-[A-Z0-9+:-]+\r\n/#) != nil)
    #expect(eventually { server.openSockets == 1 })
  }
}
