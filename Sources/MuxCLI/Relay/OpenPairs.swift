import MultiplexAsync
import Synchronization

/// The open pairs of a relay. Idle ones can be ended, so that they don't delay its end.
final class OpenPairs: Sendable {
  private struct State {
    var pairs: [ObjectIdentifier: RelayedPair] = [:]
    var abortedCount = 0
    /// Whether the time for draining is over.
    var isOver = false
  }

  /// How long nothing may move before a pair counts as idle: a target may pause within a reply.
  private static let idleTime = Duration.seconds(1)

  private let state = Mutex(State())

  /// Adds a pair, or aborts it if the time for draining is over.
  func insert(_ pair: RelayedPair) {
    let isLate = state.withLock { state in
      state.pairs[ObjectIdentifier(pair)] = pair
      if state.isOver { state.abortedCount += 1 }
      return state.isOver
    }
    if isLate { pair.abort() }
  }

  func remove(_ pair: RelayedPair) {
    state.withLock { $0.pairs[ObjectIdentifier(pair)] = nil }
  }

  /// How many pairs were aborted because the time for draining was over.
  var abortedCount: Int { state.withLock { $0.abortedCount } }

  /// Ends idle pairs until cancelled, and aborts those that are left when the time is up.
  func drain(within limit: Duration, on reactor: Reactor) async {
    let deadline = ContinuousClock.now + limit
    // In a short time, idle pairs have to be found sooner.
    let interval = min(Self.idleTime, limit / 2)
    while .now < deadline {
      for pair in state.withLock({ Array($0.pairs.values) }) { await pair.endIfIdle() }
      let next = min(.now + interval, deadline)
      guard (try? await reactor.sleep(until: next)) != nil else { return }
    }
    abortAll()
  }

  private func abortAll() {
    let left = state.withLock { state in
      state.isOver = true
      state.abortedCount += state.pairs.count
      return Array(state.pairs.values)
    }
    left.forEach { $0.abort() }
  }
}
