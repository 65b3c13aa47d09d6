extension LoadGenerator {
  /// How many latencies are taken down at most for what was not sent: with a rate that can't be kept, that may be millions.
  private static let unsentRecords = 100_000

  /// Messages that were due and never came back have waited as well, for as long as is known.
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
    for message in max(connection.completed, connection.firstScheduled)..<connection.started {
      let due = schedule.time(of: message - connection.firstScheduled, on: connection.number)
      tally.recordUnanswered(sinceDue: lostAt - due)
    }
  }

  /// - Parameter messages: Of the connection's own on the schedule.
  private func recordUnsent(_ connection: LoadConnection, _ messages: Range<Int>, _ schedule: SendSchedule) {
    let stride = messages.count / max(1, Self.unsentRecords / connections.count) + 1
    var rest = messages
    while !rest.isEmpty {
      let piece = rest.prefix(stride)
      rest = rest.dropFirst(stride)
      // Of neighbours, the last has waited least.
      let due = schedule.time(of: piece.upperBound - 1, on: connection.number)
      tally.recordUnsent(piece.count, sinceDue: sendingEnd - due)
    }
  }
}
