import Multiplex
import MultiplexAsync
import Synchronization
import SystemPackage

/// Counts what happens on a reactor, and remembers its open connections and its last turns.
final class ThreadMonitor: ReactorObserver {
  /// What was counted until some moment.
  struct Counts {
    var flow = Flow()
    var accepted = 0
    var acceptFailures = 0
    var closed: [CloseCategory: Int] = [:]
    /// The bytes that wait to be sent, and those that were lost with their connections.
    var queued = 0
    var lost = 0
  }

  /// Everything about a thread at some moment.
  struct Snapshot {
    let counts: Counts
    let openConnections: Int
    let recentConnections: [ConnectionRecord]
    let lastTurns: [Turn]
  }

  fileprivate struct State {
    var counts = Counts()
    var connections = RecentConnections()
    var lastTurns: [Turn] = []
    /// The time at which this turn's work began, once it was asked for.
    var now: Int?
  }

  /// The number of turns that are remembered.
  private static let turnCount = 6
  /// The number of entries that are kept of each list of a turn.
  private static let turnEntries = 12

  /// Changed only by the reactor's thread, and read a few times a second: the lock is hardly ever contended.
  private let state = Mutex(State())

  /// Makes an observer that passes everything to this monitor.
  ///
  /// - Parameter backend: The backend of the reactor.
  func observer(backend: Poller.Backend) -> any ReactorObserver {
    ReactorObservers([TurnCollector(backend: backend, limit: Self.turnEntries, report: remember), self])
  }

  /// What has passed through the thread so far.
  var flow: Flow { state.withLock { $0.counts.flow } }

  /// Takes a snapshot.
  ///
  /// - Parameter limit: The maximum number of connections in it.
  func snapshot(connections limit: Int) -> Snapshot {
    state.withLock { state in
      Snapshot(
        counts: state.counts, openConnections: state.connections.count,
        recentConnections: state.connections.first(limit), lastTurns: state.lastTurns)
    }
  }

  private func remember(_ turn: Turn) {
    state.withLock { state in
      state.counts.flow.working += turn.worked
      if state.lastTurns.count == Self.turnCount { state.lastTurns.removeFirst() }
      state.lastTurns.append(turn)
    }
  }

  // MARK: Events

  func turnEnded(readyCount: Int) {
    state.withLock { state in
      state.counts.flow.turns += 1
      state.counts.flow.ready += readyCount
      state.now = nil
    }
  }

  func acceptFailed(_ listener: ObservedListener, because error: MultiplexError) {
    state.withLock { $0.counts.acceptFailures += 1 }
  }

  func opened(_ connection: ObservedConnection) {
    state.withLock { state in
      let now = state.time()
      state.counts.accepted += 1
      state.connections.insert(
        ConnectionRecord(
          descriptor: connection.descriptor.rawValue, peer: connection.peer, openedAt: now, activeAt: now))
    }
  }

  func closed(_ connection: ObservedConnection, because reason: CloseReason, unsent: Int) {
    state.withLock { state in
      state.counts.closed[CloseCategory(reason), default: 0] += 1
      state.counts.lost += unsent
      let record = state.connections.remove(connection.descriptor.rawValue)
      state.counts.queued -= record?.queued ?? 0
    }
  }

  func received(_ count: Int, on connection: ObservedConnection) {
    state.withLock { state in
      state.counts.flow.received += count
      state.touch(connection) { $0.received += count }
    }
  }

  func receivedEnd(on connection: ObservedConnection) {
    state.withLock { $0.touch(connection) { _ in } }
  }

  func sent(_ count: Int, on connection: ObservedConnection) {
    state.withLock { state in
      state.counts.flow.sent += count
      state.touch(connection) { $0.sent += count }
    }
  }

  func queued(_ count: Int, on connection: ObservedConnection) {
    state.withLock { state in
      var change = 0
      state.touch(connection) { record in
        change = count - record.queued
        record.queued = count
      }
      state.counts.queued += change
    }
  }
}

extension ThreadMonitor.State {
  /// The time, read once a turn.
  fileprivate mutating func time() -> Int {
    let time = now ?? MonotonicClock.now
    now = time
    return time
  }

  fileprivate mutating func touch(_ connection: ObservedConnection, _ change: (inout ConnectionRecord) -> Void) {
    let now = time()
    connections.touch(connection.descriptor.rawValue) { record in
      record.activeAt = now
      change(&record)
    }
  }
}
