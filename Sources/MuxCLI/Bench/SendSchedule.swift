/// When the messages of a constant rate are due: evenly spread, each connection in its turn.
///
/// A message that can't be sent when it is due, because the server is behind and the pipeline is full, keeps its time:
/// its latency is counted from there. Else a server that stalls would slow down those who measure it, and its stall would
/// count as one long answer instead of the many that it has kept waiting ("coordinated omission").
struct SendSchedule {
  private let origin: Int
  /// Between two messages, in nanoseconds.
  private let interval: Double
  private let connections: Int

  init(rate: Double, connections: Int, origin: Int) {
    self.origin = origin
    self.connections = connections
    interval = Double(MonotonicClock.second) / rate
  }

  /// When the message with a number over all connections is due.
  func time(of message: Int) -> Int {
    origin + Int(Double(message) * interval)
  }

  /// Whose turn a message is.
  func connection(of message: Int) -> Int {
    message % connections
  }

  /// When a connection's own message with a number is due.
  func time(of message: Int, on connection: Int) -> Int {
    time(of: message * connections + connection)
  }
}
