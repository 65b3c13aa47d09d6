import Multiplex
import SystemPackage
import TestSupport
import Testing

/// One end of a connection: sends a stream in pieces of odd sizes, then its end, and compares the received bytes with
/// the stream of the other end. Neither stream is kept in memory.
final class StreamingPeer: Selectable {
  /// A stream of `length` bytes.
  struct Stream {
    let pattern: BytePattern
    let length: Int

    init(seed: UInt64, length: Int) {
      pattern = BytePattern(seed: seed)
      self.length = length
    }
  }

  /// The error if the streams differ.
  struct Difference: Error {
    let position: Int
  }

  private let socket: Socket
  private let outgoing: Stream
  private let expected: Stream
  private var random: SeededGenerator
  private var sent = 0
  private(set) var received = 0
  /// Whether bytes, or the end, have yet to be sent.
  private(set) var sends = true
  /// Whether the end of the other stream has yet to arrive.
  private(set) var receives = true

  init(_ socket: Socket, sending outgoing: Stream, expecting expected: Stream, seed: UInt64) {
    self.socket = socket
    self.outgoing = outgoing
    self.expected = expected
    random = SeededGenerator(seed: seed)
  }

  var fileDescriptor: FileDescriptor { socket.fileDescriptor }

  /// Runs all of these peers until their streams have ended.
  static func runAll(_ peers: [StreamingPeer]) throws {
    while true {
      let (readers, writers) = (peers.filter(\.receives), peers.filter(\.sends))
      if readers.isEmpty, writers.isEmpty { return }
      let ready = try select(reading: readers, writing: writers, timeout: ChildProcess.limit)
      try #require(!ready.isEmpty, "no bytes move")
      for peer in ready.reading { try peer.receiveSome() }
      for peer in ready.writing { try peer.sendSome() }
    }
  }

  private func sendSome() throws {
    let count = min(oddSize(), outgoing.length - sent)
    if count > 0 { sent += try socket.send(outgoing.pattern.piece(at: sent, count)) ?? 0 }
    guard sent == outgoing.length else { return }
    try socket.shutdown(.writing)
    sends = false
  }

  private func receiveSome() throws {
    guard let bytes = try socket.receive(upTo: oddSize()) else { return }
    guard !bytes.isEmpty else {
      guard received == expected.length else { throw Difference(position: received) }
      return receives = false
    }
    guard received + bytes.count <= expected.length, expected.pattern.matches(bytes, at: received) else {
      throw Difference(position: received)
    }
    received += bytes.count
  }

  /// Returns an odd size from 1 to 65,521; small sizes are as frequent as large ones.
  private func oddSize() -> Int {
    let limit = 2 << Int.random(in: 0...15, using: &random)
    return min(Int.random(in: 0..<limit, using: &random) | 1, BytePattern.period)
  }
}
