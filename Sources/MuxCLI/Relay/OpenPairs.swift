import MultiplexAsync
import Synchronization

/// The open pairs of a relay. Idle ones can be closed, so that they don't delay its end.
final class OpenPairs: Sendable {
  private let pairs = Mutex<[ObjectIdentifier: RelayedPair]>([:])

  func insert(_ pair: RelayedPair) {
    pairs.withLock { $0[ObjectIdentifier(pair)] = pair }
  }

  func remove(_ pair: RelayedPair) {
    pairs.withLock { $0[ObjectIdentifier(pair)] = nil }
  }

  /// Closes pairs with nothing queued once they have been idle for a while, until cancelled.
  func closeIdle(after idleTime: Duration, on reactor: Reactor) async {
    while !Task.isCancelled {
      for pair in pairs.withLock({ Array($0.values) }) { await pair.closeIfIdle() }
      try? await reactor.sleep(for: idleTime)
    }
  }
}
