internal import Synchronization

/// How many connections may be served at a time, by all listeners that share the limit: see
/// ``ListenerProtocol/serve(limitedTo:_:)``.
public final class ConnectionLimit: Sendable {
  private struct State {
    var available: Int
    /// Called when a connection ends, for each listener that waits.
    var waiting: [ObjectIdentifier: @Sendable () -> Void] = [:]
  }

  /// With fewer places left, connections are accepted one by one, so that each has a place.
  private static let nearlyReached = 1024

  private let state: Mutex<State>

  /// Allows `count` connections at a time.
  ///
  /// - Parameter count: Zero or less admits no connections.
  public init(_ count: Int) {
    state = Mutex(State(available: count))
  }

  /// - Parameter maximum: `Int.max` makes no limit, as it would cost something for each connection.
  convenience init?(upTo maximum: Int) {
    guard maximum < .max else { return nil }
    self.init(maximum)
  }

  /// Acquires a place for one connection.
  ///
  /// - Returns: False if no place is available.
  func acquire() -> Bool {
    state.withLock { state in
      guard state.available > 0 else { return false }
      state.available -= 1
      return true
    }
  }

  /// Whether few places are left, or none.
  var isNearlyReached: Bool { state.withLock { $0.available < Self.nearlyReached } }

  /// Releases a place, and notifies all waiting listeners: whichever has a pending connection acquires it.
  func release() {
    let waiting = state.withLock { state in
      state.available += 1
      defer { state.waiting = [:] }
      return state.waiting
    }
    for body in waiting.values { body() }
  }

  /// Calls the body once, as soon as a place is available: immediately if one already is.
  ///
  /// - Parameters:
  ///   - listener: The listener that waits. It is notified once, no matter how many of its earlier waits were given up.
  ///   - body: Called on any thread.
  func notify(_ listener: Listener, whenAvailable body: @escaping @Sendable () -> Void) {
    let isAvailable = state.withLock { state in
      if state.available > 0 { return true }
      state.waiting[ObjectIdentifier(listener)] = body
      return false
    }
    if isAvailable { body() }
  }
}
