import Multiplex
import MultiplexAsync
import TestSupport
import Testing

@Suite("Echo over connections")
struct EchoTests {
  @Test("what is written comes back", arguments: usableBackends)
  func echo(backend: Poller.Backend) async throws {
    let reactor = try Reactor(backend: backend)
    let listener = try await Listener.bind(to: "127.0.0.1:0", on: reactor)
    async let serving: Void = listener.serve { connection in
      while let chunk = try await connection.read() {
        try await connection.write(chunk)
      }
    }
    let connection = try await Connection.connect(to: listener.localAddress, on: reactor)
    try await connection.write("hello")
    #expect(try await connection.read(exactly: 5) == Array("hello".utf8))
    let bytes = (0..<3_000_000).map { UInt8(truncatingIfNeeded: $0 &* 31 >> 3) }
    async let sent: Void = connection.write(bytes)
    #expect(try await connection.read(exactly: bytes.count) == bytes)
    try await sent
    try await connection.closeWrite()
    #expect(try await connection.read()?.count == nil)
    await connection.close()
    #expect(await listener.shutDown(within: .seconds(10)) == 0)
    await serving
  }
}
