internal import Multiplex
internal import SystemPackage

/// Tells an observer about the turns of an event loop. Belongs to its thread.
///
/// A driver has one where somebody wants to know, and tells it each descriptor that a wait has found ready.
final class TurnObservation {
  private let observer: any ReactorObserver
  private var readyCount = 0

  /// Nil unless the observer wants to know.
  init?(_ observer: (any ReactorObserver)?) {
    guard let observer, observer.events.contains(.turns) else { return nil }
    self.observer = observer
  }

  func ready(_ descriptor: FileDescriptor, for readiness: Readiness) {
    readyCount += 1
    observer.ready(descriptor, for: readiness)
  }

  func endTurn() {
    observer.turnEnded(readyCount: readyCount)
    readyCount = 0
  }
}
