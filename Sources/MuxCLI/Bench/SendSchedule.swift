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
  /// How many messages it has.
  private(set) var count = Int.max

  /// - Parameter end: nil goes on without end.
  init(rate: Double, connections: Int, origin: Int, end: BenchPlan.End?) {
    self.origin = origin
    self.connections = connections
    interval = Double(MonotonicClock.second) / rate
    switch end {
    case .after(let duration): count = dueCount(by: origin + duration.wholeNanoseconds - 1)
    case .requests(let requests): count = requests
    case nil: break
    }
  }

  /// When the message with a number over all connections is due.
  func time(of message: Int) -> Int {
    origin + Int(Double(message) * interval)
  }

  /// How many messages are due at a time, and before it.
  func dueCount(by time: Int) -> Int {
    guard time >= origin else { return 0 }
    var due = Int(Double(time - origin) / interval)
    // The division may have been rounded to either side.
    while due > 0, self.time(of: due - 1) > time { due -= 1 }
    while self.time(of: due) <= time { due += 1 }
    return min(due, count)
  }

  /// Whose turn a message is.
  func connection(of message: Int) -> Int {
    message % connections
  }

  /// How many of the first so many messages are a connection's own.
  func share(of connection: Int, in messages: Int) -> Int {
    messages / connections + (connection < messages % connections ? 1 : 0)
  }

  /// When a connection's own message with a number is due.
  func time(of message: Int, on connection: Int) -> Int {
    time(of: message * connections + connection)
  }
}
