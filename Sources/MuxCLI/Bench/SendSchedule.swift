/// The times at which messages of a constant rate are due: evenly spread, on each connection in turn.
///
/// A message that can't be sent when it is due, because the server is behind and the pipeline is full, keeps its time:
/// its latency is measured from there. Otherwise, a stalling server would slow down the measurement, and a stall would
/// count as one slow response instead of the many that it delayed ("coordinated omission").
struct SendSchedule {
  private let origin: Int
  /// The time between two messages, in nanoseconds.
  private let interval: Double
  private let connections: Int
  /// The number of messages.
  private(set) var count = Int.max

  /// Makes a schedule.
  ///
  /// - Parameters:
  ///   - rate: Messages per second.
  ///   - connections: The number of connections.
  ///   - origin: The time of the first message, in nanoseconds.
  ///   - end: The end of the schedule: a message that is due then isn't sent.
  init(rate: Double, connections: Int, origin: Int, end: BenchPlan.End) {
    self.origin = origin
    self.connections = connections
    interval = Double(MonotonicClock.second) / rate
    switch end {
    case .after(let duration): count = dueCount(by: origin + duration.wholeNanoseconds - 1)
    case .requests(let requests): count = requests
    }
  }

  /// Returns the time when a message is due, given its number over all connections.
  func time(of message: Int) -> Int {
    origin + Int(Double(message) * interval)
  }

  /// Returns the number of messages that are due by a time.
  func dueCount(by time: Int) -> Int {
    guard time >= origin else { return 0 }
    var due = Int(Double(time - origin) / interval)
    // The division may have been rounded either way.
    while due > 0, self.time(of: due - 1) > time { due -= 1 }
    while self.time(of: due) <= time { due += 1 }
    return min(due, count)
  }

  /// Returns the connection that sends a message.
  func connection(of message: Int) -> Int {
    message % connections
  }

  /// Returns how many of the first `messages` belong to a connection.
  func share(of connection: Int, in messages: Int) -> Int {
    messages / connections + (connection < messages % connections ? 1 : 0)
  }

  /// Returns the time when a message is due, given its number on a connection.
  func time(of message: Int, on connection: Int) -> Int {
    time(of: message * connections + connection)
  }
}
