import Multiplex
import SystemPackage

/// One connection under load: what it has sent, and what of that has come back.
final class LoadConnection {
  let socket: Socket
  /// Counted from 0.
  let number: Int
  private let size: Int

  /// Bytes.
  private var sent = 0
  private var received = 0
  /// Messages that were begun, and those that are back.
  private(set) var started = 0
  private(set) var completed = 0
  /// The first message that counts: those before it are for warming up.
  var firstMeasured = Int.max
  /// The first message of the schedule in force.
  var firstScheduled = 0
  /// When the messages on the way were begun: a ring.
  private var startTimes: [Int]
  /// When something last came, or when waiting for it began.
  private(set) var lastProgress = 0
  /// Whether it waits for room to send.
  var awaitsRoom = false
  /// Why sending has failed; reading tells when it is over.
  var sendFailure: Errno?
  private(set) var lostAt: Int?

  init(_ socket: Socket, number: Int, size: Int, pipeline: Int) {
    self.socket = socket
    self.number = number
    self.size = size
    startTimes = Array(repeating: 0, count: pipeline)
  }

  /// How many messages are on the way.
  var inFlight: Int { started - completed }
  var startedOnSchedule: Int { started - firstScheduled }
  var hasRoom: Bool { inFlight < startTimes.count }
  var hasReceived: Bool { received > 0 }
  var isLost: Bool { lostAt != nil }

  /// Begins a message. There must be room.
  func start(at time: Int) {
    if inFlight == 0 { lastProgress = time }
    startTimes[started % startTimes.count] = time
    started += 1
  }

  /// Sends what was begun, as far as there is room.
  ///
  /// - Returns: Whether that was all.
  func send(_ pattern: Pattern) throws(MultiplexError) -> Bool {
    let end = started * size
    while sent < end {
      let count = min(end - sent, Pattern.longestPiece)
      let taken = try pattern.withPiece(of: number, at: sent, count: count) { piece throws(MultiplexError) in
        try socket.send(piece)
      }
      guard let taken else { return false }
      sent += taken
    }
    return true
  }

  /// Receives once, and compares what came with what was sent.
  ///
  /// - Returns: What came.
  func receive(into buffer: inout [UInt8], _ pattern: Pattern) throws -> Received {
    var span = buffer.mutableSpan
    // Any bytes are valid bytes.
    var room = unsafe span.mutableBytes
    guard let count = try socket.receive(into: &room) else { return .nothing }
    guard count > 0 else { return .end }
    guard received + count <= sent else { throw EchoFault.surplus(connection: number, sent: sent) }
    let isRight = pattern.withPiece(of: number, at: received, count: count) { piece in
      piece.isEqual(to: room.bytes.extracting(first: count))
    }
    guard isRight else { throw fault(in: buffer.prefix(count), pattern) }
    received += count
    return .bytes
  }

  /// Whether a message is back that hasn't been counted.
  var hasCompleted: Bool { received >= (completed + 1) * size }

  /// Counts a message that is back.
  ///
  /// - Returns: When it was begun.
  func complete() -> Int {
    defer { completed += 1 }
    return startTimes[completed % startTimes.count]
  }

  /// Something may have come, though perhaps no whole message.
  func noteProgress(at time: Int) {
    lastProgress = time
  }

  /// Ends it. What is on the way won't come any more.
  func lose(at time: Int) {
    lostAt = time
    socket.close()
  }

  private func fault(in bytes: ArraySlice<UInt8>, _ pattern: Pattern) -> EchoFault {
    let index = bytes.indices.first { bytes[$0] != pattern.byte(of: number, at: received + $0) } ?? 0
    let offset = received + index
    return .corruption(
      connection: number, offset: offset, size: size, expected: pattern.byte(of: number, at: offset), got: bytes[index])
  }
}

extension LoadConnection {
  /// The result of a receive.
  enum Received {
    case bytes
    case nothing
    case end
  }
}
