import Multiplex
import TestSupport
import Testing

@Suite("Out-of-band data left inline")
struct OutOfBandInlineTests {
  @Test("inline out-of-band data keeps its place in the stream, and is exceptional until it is read")
  func staysInPlace() throws {
    let listener = try Socket.listening(on: .ipv4(.loopback, port: 0))
    try listener.set(.outOfBandInline, to: true)
    let client = try Socket.connected(to: listener.localAddress(), timeout: .seconds(30))
    let server = try listener.acceptNext()

    try client.sendAll(Array("ab".utf8))
    try client.fileDescriptor.putUrgent()
    try client.sendAll(Array("cd".utf8))

    #expect(try !select(exceptional: [server], timeout: .seconds(30)).isEmpty)
    var received = ""
    while received.count < 5 {
      let ready = try select(reading: [server], timeout: .seconds(30))
      try #require(!ready.isEmpty)
      received += String(decoding: try server.receive(upTo: 100) ?? [], as: UTF8.self)
    }
    #expect(received == "ab!cd")
    #expect(try select(reading: [server], exceptional: [server], timeout: .zero).isEmpty)
  }
}
