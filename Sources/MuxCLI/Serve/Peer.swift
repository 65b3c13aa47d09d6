import Multiplex

/// One client of a server. Its times are counted as the server counts them.
final class Peer {
  let socket: Socket
  private var service: any Service
  private let returnsInput: Bool
  private let highWater: Int
  private var outgoing = ByteQueue() {
    didSet { owed = outgoing.count }
  }
  /// How many bytes the peer is owed. Asked for far more often than the queue changes, hence kept.
  private(set) var owed = 0

  private var inputHasEnded = false
  /// When the service had its say, and the peer was told (by a half-close) that nothing more comes.
  private(set) var endedOutputAt: Duration?
  /// Whether reading waits until the peer has taken what it is owed.
  private var isPaused = false
  /// When bytes last moved.
  private(set) var lastActivity: Duration

  init(_ socket: Socket, service: any Service, highWater: Int, now: Duration) {
    self.socket = socket
    self.service = service
    self.returnsInput = service.returnsInput
    self.highWater = highWater
    self.lastActivity = now
  }

  /// What to wait for; nil when all is done and the connection can be closed.
  var interest: Interest? {
    let reads = !inputHasEnded && !isPaused
    switch (reads, owed > 0) {
    case (true, true): return .read | .write
    case (true, false): return .read
    case (false, true): return .write
    case (false, false): return nil
    }
  }

  /// Begins the service: some speak first.
  func start() {
    if let bytes = service.output() { outgoing.append(bytes) }
  }

  /// Reads once, at most what the buffer holds, and lets the service have it.
  ///
  /// - Returns: What was done, for the trace.
  func read(into buffer: inout [UInt8], now: Duration) throws(MultiplexError) -> Action? {
    guard !inputHasEnded, !isPaused else { return nil }
    var span = buffer.mutableSpan
    // Any bytes are valid bytes.
    var bytes = unsafe span.mutableBytes
    guard let count = try socket.receive(into: &bytes) else { return nil }
    lastActivity = now
    guard count > 0 else {
      inputHasEnded = true
      return .endOfInput
    }
    guard returnsInput else { return .received(count, sent: 0) }
    let sent = try send(buffer[..<count])
    isPaused = owed > highWater
    return .received(count, sent: sent)
  }

  /// Sends what the peer is owed, as much as there is room for.
  ///
  /// - Returns: What was done, for the trace.
  func flush(now: Duration) throws(MultiplexError) -> Action? {
    guard owed > 0, let sent = try socket.send(outgoing.contents) else { return nil }
    lastActivity = now
    outgoing.removeFirst(sent)
    if owed == 0 {
      isPaused = false
      try produce(now)
    }
    return .sent(sent)
  }

  /// Sends at once what there is room for, and keeps the rest.
  private func send(_ bytes: ArraySlice<UInt8>) throws(MultiplexError) -> Int {
    let sent = owed == 0 ? try socket.send(bytes) ?? 0 : 0
    if sent < bytes.count { outgoing.append(bytes.dropFirst(sent)) }
    return sent
  }

  /// Lets the service speak unasked. One that has come to its end half-closes, and then waits for the peer to do so too:
  /// closing while bytes from the peer are unread would reset the connection, and might take back what was sent.
  private func produce(_ now: Duration) throws(MultiplexError) {
    if let bytes = service.output() {
      outgoing.append(bytes)
    } else if service.end == .output, endedOutputAt == nil {
      endedOutputAt = now
      try socket.shutdown(.writing)
    }
  }
}
