import Multiplex
import SystemPackage

/// One connection under load: what it has sent, and how much of that has come back.
final class LoadConnection {
  /// The number of bytes that are sent before other connections have their turn.
  private static let longestTurn = 16 * Pattern.longestPiece

  let socket: Socket
  /// Counted from 0.
  let number: Int
  private let size: Int

  /// The number of bytes sent.
  private var sent = 0
  /// The number of bytes received.
  private var received = 0
  /// The number of messages started.
  private(set) var started = 0
  /// The number of messages that have come back completely.
  private(set) var completed = 0
  /// The first message that counts: earlier ones are for warming up.
  var firstMeasured = Int.max
  /// The first message of the current schedule.
  var firstScheduled = 0
  /// The start times of the messages in flight, as a ring buffer.
  private var startTimes: [Int]
  /// When bytes last arrived, or the wait for them began.
  private(set) var lastProgress = 0
  /// Whether the connection waits until it can send more.
  var awaitsRoom = false
  /// The error of a failed send. Reading then reports that the connection has ended.
  var sendFailure: Errno?
  private(set) var lostAt: Int?

  /// Why the connection is lost, if reading only shows `symptom`: a send may have failed before.
  func loss(showing symptom: Loss) -> Loss { sendFailure.map(Loss.broken) ?? symptom }

  /// What is wrong if nothing has come for too long.
  var silence: Loss {
    let bytes = received - completed * size
    return bytes == 0 ? .noResponse : .incomplete(bytes: bytes, size: size)
  }

  init(_ socket: Socket, number: Int, size: Int, pipeline: Int) {
    self.socket = socket
    self.number = number
    self.size = size
    startTimes = Array(repeating: 0, count: pipeline)
  }

  /// The number of messages in flight.
  var inFlight: Int { started - completed }
  /// Not less than 0, though earlier messages may have been withdrawn.
  var startedOnSchedule: Int { max(0, started - firstScheduled) }
  var hasRoom: Bool { inFlight < startTimes.count }
  var hasReceived: Bool { received > 0 }
  var isLost: Bool { lostAt != nil }

  /// Starts a message. There must be room in the pipeline.
  func start(at time: Int) {
    if inFlight == 0 { lastProgress = time }
    startTimes[started % startTimes.count] = time
    started += 1
  }

  /// Sends as much of the started messages as the kernel takes, up to a limit: a server that takes them as fast as they
  /// are sent must not keep the other connections, and the end of the run, waiting.
  ///
  /// - Returns: Whether all of it was sent.
  func send(_ pattern: Pattern) throws(MultiplexError) -> Bool {
    let end = started * size
    let limit = min(end, sent + Self.longestTurn)
    while sent < limit {
      let count = min(limit - sent, Pattern.longestPiece)
      let taken = try pattern.withPiece(of: number, at: sent, count: count) { piece throws(MultiplexError) in
        try socket.send(piece)
      }
      guard let taken else { return false }
      sent += taken
    }
    return sent == end
  }

  /// Takes back the started messages of which nothing was sent.
  ///
  /// - Returns: How many these are.
  func withdrawUnsent() -> Int {
    let begun = (sent + size - 1) / size
    defer { started = begun }
    return started - begun
  }

  /// Receives once, and compares the bytes with those sent.
  ///
  /// - Returns: What was received.
  func receive(into buffer: inout [UInt8], _ pattern: Pattern) throws -> Received {
    var span = buffer.mutableSpan
    // Any bytes are valid.
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

  /// Whether a message has come back that hasn't been counted.
  var hasCompleted: Bool { received >= (completed + 1) * size }

  /// Counts a message that has come back.
  ///
  /// - Returns: The time when it was started.
  func complete() -> Int {
    defer { completed += 1 }
    return startTimes[completed % startTimes.count]
  }

  /// Notes that bytes may have arrived, though perhaps not a whole message.
  func noteProgress(at time: Int) {
    lastProgress = time
  }

  /// Closes the connection, and marks it as lost. Messages in flight won't come back.
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
