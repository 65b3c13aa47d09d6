import Multiplex
import TestSupport
import Testing

/// What the queues of echo-queued and echo-complete are for.
@Suite("A server with a queue for each connection")
struct EchoQueuedTests {
  @Test("lets nobody wait for a client that takes nothing, which still gets it all", arguments: EchoProgram.withQueues)
  func stuckClient(program: EchoProgram) throws {
    let server = try EchoServer(program)
    let stuck = try server.connect()
    let bytes = EchoPeer.bytes(64 << 20)
    let count = try stuck.fill(with: bytes)

    let other = try server.connect()
    for _ in 0..<10 {
      try other.send("quick")
      #expect(try other.receiveText(5) == "quick")
    }

    try stuck.socket.shutdown(.writing)
    let isWhole = try stuck.receiveToEnd() == Array(bytes.prefix(count))
    #expect(isWhole)
  }

  @Test("reads no more from a client that has too much to take", arguments: EchoProgram.withQueues)
  func boundedQueue(program: EchoProgram) throws {
    let server = try EchoServer(program)
    let stuck = try server.connect()
    let count = try stuck.fill(with: EchoPeer.bytes(64 << 20))
    // The queue, and what the kernel holds on both sides.
    #expect(count < 32 << 20)
    // The server waits, though more bytes wait to be read.
    #expect(try server.time(ofTurns: 6) > .seconds(1))
  }
}
