import MultiplexAsync
import Synchronization

/// The pairs that a relay has, so that those that aren't used needn't delay its end.
final class OpenPairs: Sendable {
  private let pairs = Mutex<[ObjectIdentifier: RelayedPair]>([:])

  func insert(_ pair: RelayedPair) {
    pairs.withLock { $0[ObjectIdentifier(pair)] = pair }
  }

  func remove(_ pair: RelayedPair) {
    pairs.withLock { $0[ObjectIdentifier(pair)] = nil }
  }

  /// Closes pairs that owe nobody anything, once nothing has moved on them for so long, until cancelled.
  func closeResting(after rest: Duration, on reactor: Reactor) async {
    while !Task.isCancelled {
      for pair in pairs.withLock({ Array($0.values) }) { await pair.closeIfAtRest() }
      try? await reactor.sleep(for: rest)
    }
  }
}
