internal import Multiplex
internal import SystemPackage

/// Notifies an observer about the turns of an event loop. Belongs to the loop's thread.
///
/// A driver has one if an observer wants these events, and reports each descriptor to it that a wait found ready.
final class TurnObservation {
  private let observer: any ReactorObserver
  /// The ready descriptors of this turn. A completion driver may report one several times.
  private var ready: [FileDescriptor: Readiness] = [:]

  /// Nil unless the observer wants these events.
  init?(_ subscription: Subscription?) {
    guard let subscription, subscription.events.contains(.turns) else { return nil }
    observer = subscription.observer
  }

  func ready(_ descriptor: FileDescriptor, for readiness: Readiness) {
    let news = readiness.subtracting(ready[descriptor] ?? [])
    guard !news.isEmpty else { return }
    ready[descriptor, default: []].formUnion(news)
    observer.ready(descriptor, for: news)
  }

  func endTurn() {
    observer.turnEnded(readyCount: ready.count)
    ready.removeAll(keepingCapacity: true)
  }
}
