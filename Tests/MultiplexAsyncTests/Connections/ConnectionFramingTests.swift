import Multiplex
import MultiplexAsync
import TestSupport
import Testing

@Suite("Length-prefixed messages", .timeLimit(.minutes(2)))
struct ConnectionFramingTests {
  @Test("messages arrive one by one, however the bytes are split", arguments: usableBackends, 1...3)
  func cut(backend: Poller.Backend, seed: UInt64) async throws {
    let peer = try await RawPeer(on: try Reactor(backend: backend))
    var random = SeededGenerator(seed: seed)
    let messages = (0..<50).map { _ in numbered(Int.random(in: 0...3000, using: &random)) }
    let stream = messages.flatMap { message -> [UInt8] in
      [0, 0, UInt8(message.count >> 8), UInt8(message.count & 0xff)] + message
    }
    let sender = try peer.startOtherSide { socket in
      for piece in pieces(of: stream, upTo: 1000, seed: seed) { try socket.sendAll(piece, timeout: .seconds(100)) }
      try socket.shutdown(.writing)
    }
    for message in messages { #expect(try await peer.connection.readFrame(limit: 3000) == message) }
    #expect(try await peer.connection.readFrame() == nil)
    try sender.join()
  }

  @Test("a message is preceded by its length in network byte order")
  func write() async throws {
    let peer = try await RawPeer(on: try Reactor())
    try await peer.connection.writeFrame([7, 8], lengthPrefix: UInt8.self)
    try await peer.connection.writeFrame([6, 7, 8].dropFirst(), lengthPrefix: UInt16.self)
    try await peer.connection.writeFrame([7, 8])
    try await peer.connection.writeFrame([], lengthPrefix: UInt64.self)
    let expected: [UInt8] = [2, 7, 8, 0, 2, 7, 8, 0, 0, 0, 2, 7, 8, 0, 0, 0, 0, 0, 0, 0, 0]
    #expect(try await peer.take(expected.count) == expected)
    let tooLong = await reason { try await peer.connection.writeFrame(numbered(256), lengthPrefix: UInt8.self) }
    #expect(tooLong == .limitExceeded)
    try await peer.connection.write("!")
    #expect(try await peer.take(1) == Array("!".utf8))
  }

  @Test(
    "a message longer than the limit is rejected by its length prefix, and nothing is lost", arguments: usableBackends)
  func tooLong(backend: Poller.Backend) async throws {
    let peer = try await RawPeer(on: try Reactor(backend: backend))
    let lengths: [UInt8] = [0, 0, 0, 11] + [UInt8](repeating: 0xff, count: 8)
    try peer.socket.sendAll(lengths)
    #expect(await reason { _ = try await peer.connection.readFrame(limit: 10) } == .limitExceeded)
    #expect(try await peer.connection.read(exactly: 4) == Array(lengths.prefix(4)))
    #expect(
      await reason { _ = try await peer.connection.readFrame(lengthPrefix: UInt64.self, limit: .max) } == .limitExceeded
    )
    #expect(try await peer.connection.read(exactly: 8) == Array(lengths.suffix(8)))
    let veryLong: [UInt8] = [1] + [UInt8](repeating: 0, count: 15)
    try peer.socket.sendAll(veryLong)
    #expect(await reason { _ = try await peer.connection.readFrame(lengthPrefix: UInt128.self) } == .limitExceeded)
    #expect(try await peer.connection.read(exactly: 16) == veryLong)
  }

  @Test(
    "an end of input within a message is distinguished from one between messages", arguments: usableBackends, [1, 4, 6])
  func endOfInput(backend: Poller.Backend, count: Int) async throws {
    let peer = try await RawPeer(on: try Reactor(backend: backend))
    let bytes: [UInt8] = [0, 0, 0, 3, 1, 2, 3]
    try peer.socket.sendAll(bytes + bytes.prefix(count))
    try peer.socket.shutdown(.writing)
    #expect(try await peer.connection.readFrame() == [1, 2, 3])
    #expect(await reason { _ = try await peer.connection.readFrame() } == .endOfInput)
    #expect(try await peer.connection.read(exactly: count) == Array(bytes.prefix(count)))
    #expect(try await peer.connection.readFrame() == nil)
  }
}
