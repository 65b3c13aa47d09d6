import Multiplex

extension LoadGenerator {
  func startAll(_ now: Int) {
    for connection in connections { advance(connection, now) }
  }

  /// Sends the messages that are due by now. That includes those due just before the end of the phase, as the wait may
  /// have ended late.
  func sendDue(_ now: Int) {
    guard let schedule, isSending else { return }
    let dueBefore = due
    due = schedule.dueCount(by: now)
    // A connection sends all of its due messages at once, so none needs more than one turn.
    for message in max(dueBefore, due - connections.count)..<due {
      let connection = connections[schedule.connection(of: message)]
      if !connection.isLost { advance(connection, now) }
    }
  }

  /// Starts as many messages as there is room for, and sends them.
  func advance(_ connection: LoadConnection, _ now: Int) {
    let limit = schedule.map { connection.firstScheduled + $0.share(of: connection.number, in: due) } ?? .max
    while connection.hasRoom, mayStart, connection.started < limit {
      connection.start(at: now)
      inFlight += 1
      if case .measuring = phase { settled += 1 }
    }
    send(connection)
  }

  private func send(_ connection: LoadConnection) {
    do throws(MultiplexError) {
      let isSent = try connection.send(pattern)
      guard isSent == connection.awaitsRoom else { return }
      connection.awaitsRoom = !isSent
      try poller.modify(connection.socket, for: isSent ? .read : .read | .write)
    } catch {
      // Reading will fail, too, but may return responses first.
      connection.sendFailure = error.errno
    }
  }
}
