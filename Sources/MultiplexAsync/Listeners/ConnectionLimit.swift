internal import Synchronization

/// How many connections may be served at a time, by all listeners that share the limit: see
/// ``ListenerProtocol/serve(limitedTo:_:)``.
public final class ConnectionLimit: Sendable {
  private struct State {
    var vacancies: Int
    /// The listeners that wait for a vacancy.
    var waiting: [ObjectIdentifier: @Sendable () -> Void] = [:]
  }

  /// With so few places left, connections are accepted one by one, so that none is without a place.
  private static let few = 1024

  private let state: Mutex<State>

  /// Allows so many connections at a time.
  ///
  /// - Parameter count: Zero and less let no connection in.
  public init(_ count: Int) {
    state = Mutex(State(vacancies: count))
  }

  /// - Parameter maximum: `Int.max` makes no limit, as every connection would pay for it.
  convenience init?(upTo maximum: Int) {
    guard maximum < .max else { return nil }
    self.init(maximum)
  }

  /// Takes a place for one connection.
  ///
  /// - Returns: False if there is none.
  func take() -> Bool {
    state.withLock { state in
      guard state.vacancies > 0 else { return false }
      state.vacancies -= 1
      return true
    }
  }

  /// Whether there are few places left, at most.
  var isNearlyReached: Bool { state.withLock { $0.vacancies < Self.few } }

  /// Returns a place, and tells all that wait: whoever has a connection waiting takes it.
  func giveBack() {
    let waiting = state.withLock { state in
      state.vacancies += 1
      defer { state.waiting = [:] }
      return state.waiting
    }
    for body in waiting.values { body() }
  }

  /// Calls once, as soon as there is a place: at once if there is one already.
  ///
  /// - Parameter listener: Who is told once, however many of its waits were given up.
  func tell(_ listener: Listener, whenVacant body: @escaping @Sendable () -> Void) {
    let isVacant = state.withLock { state in
      if state.vacancies > 0 { return true }
      state.waiting[ObjectIdentifier(listener)] = body
      return false
    }
    if isVacant { body() }
  }
}
