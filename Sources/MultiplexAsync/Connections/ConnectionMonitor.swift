/// What watches a connection: an observer, an idle timeout, a graceful shutdown, closures to call when it is closed.
/// Most connections have none. Belongs to its event loop's thread.
final class ConnectionMonitor {
  let observation: ConnectionObservation?
  /// Nil unless the connection has an idle timeout.
  var idleTimer: IdleTimer? {
    willSet { idleTimer?.stop() }
  }
  /// Whether bytes have moved since this was set to false.
  var hasMoved = true

  /// Called when the connection is closed.
  var whenClosed: [(CloseReason) -> Void] = []

  init(_ observation: ConnectionObservation?) {
    self.observation = observation
  }

  func received(_ count: Int) {
    noteActivity()
    observation?.received(count)
  }

  func sent(_ count: Int) {
    guard count > 0 else { return }
    noteActivity()
    observation?.sent(count)
  }

  func noteActivity() {
    hasMoved = true
    idleTimer?.touch()
  }

  func closed(because reason: CloseReason, unsent: Int) {
    idleTimer = nil
    observation?.closed(because: reason, unsent: unsent)
  }
}
