import Multiplex
import TestSupport
import Testing

/// The purpose of the queues in echo-queued and echo-complete.
@Suite("Servers with a queue per connection")
struct EchoQueuedTests {
  @Test(
    "a client that reads nothing delays no other client, and loses no bytes", arguments: EchoProgram.withQueues)
  func stuckClient(program: EchoProgram) throws {
    let server = try EchoServer(program)
    let stuck = try server.connect()
    let bytes = numbered(64 << 20)
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

  @Test("a client with too many queued bytes isn't read from", arguments: EchoProgram.withQueues)
  func boundedQueue(program: EchoProgram) throws {
    let server = try EchoServer(program)
    let stuck = try server.connect()
    let count = try stuck.fill(with: numbered(64 << 20))
    // The queue, and the kernel's buffers on both sides.
    #expect(count < 32 << 20)
    // The server waits, although more bytes could be read.
    #expect(try server.time(ofTurns: 6) > .seconds(1))
  }
}
