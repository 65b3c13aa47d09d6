internal import Multiplex
internal import SystemPackage

/// Tells an observer about the turns of an event loop. Belongs to its thread.
///
/// A driver has one where somebody wants to know, and tells it each descriptor that a wait has found ready.
final class TurnObservation {
  private let observer: any ReactorObserver
  /// Those of this turn, and for what. A completion driver may hear of one several times.
  private var ready: [FileDescriptor: Readiness] = [:]

  /// Nil unless the observer wants to know.
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
