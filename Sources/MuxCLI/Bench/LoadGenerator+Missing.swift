extension LoadGenerator {
  /// The maximum number of latencies recorded for unsent messages: with a rate that is too high, those may be millions.
  private static let unsentRecords = 100_000

  /// Records the messages that were due and never came back, with the time that they are known to have waited.
  func recordMissing() {
    guard let schedule else { return }
    for connection in connections {
      recordUnanswered(connection, schedule)
      let share = schedule.share(of: connection.number, in: due)
      recordUnsent(connection, connection.startedOnSchedule..<max(share, connection.startedOnSchedule), schedule)
    }
  }

  private func recordUnanswered(_ connection: LoadConnection, _ schedule: SendSchedule) {
    guard let lostAt = connection.lostAt else { return }
    let first = max(connection.completed, connection.firstScheduled)
    for message in first..<max(first, connection.started) {
      let due = schedule.time(of: message - connection.firstScheduled, on: connection.number)
      tally.recordUnanswered(sinceDue: lostAt - due)
    }
  }

  /// Records messages that were due but unsent.
  ///
  /// - Parameters:
  ///   - connection: The connection that should have sent them.
  ///   - messages: Their numbers on the connection's share of the schedule.
  ///   - schedule: The schedule.
  private func recordUnsent(_ connection: LoadConnection, _ messages: Range<Int>, _ schedule: SendSchedule) {
    let stride = messages.count / max(1, Self.unsentRecords / connections.count) + 1
    var remainder = messages
    while !remainder.isEmpty {
      let piece = remainder.prefix(stride)
      remainder = remainder.dropFirst(stride)
      // Of neighbors, the last has waited least.
      let due = schedule.time(of: piece.upperBound - 1, on: connection.number)
      tally.recordUnsent(piece.count, sinceDue: sendingEnd - due)
    }
  }
}
