/// The continuous clock, on which sleeping costs no thread but the reactor's: for code that takes a `Clock`.
///
///     try await reactor.clock.sleep(for: .seconds(1))
public struct ReactorClock: Clock {
  /// A moment of the continuous clock.
  public typealias Instant = ContinuousClock.Instant

  /// Whose timers are used.
  public let reactor: Reactor

  /// The clock of a reactor.
  public init(on reactor: Reactor) {
    self.reactor = reactor
  }

  /// The current moment.
  public var now: ContinuousClock.Instant { ContinuousClock.now }

  /// The shortest difference between two moments.
  public var minimumResolution: Duration { ContinuousClock().minimumResolution }

  /// Suspends the calling task until a moment: see ``Reactor/sleep(until:)``. A tolerance has no effect, as the reactor is
  /// as punctual as it can.
  ///
  /// - Throws: `CancellationError`, at once when the task is cancelled.
  public func sleep(until deadline: ContinuousClock.Instant, tolerance: Duration? = nil) async throws {
    try await reactor.sleep(until: deadline)
  }
}

extension Reactor {
  /// A clock whose sleeps are this reactor's.
  public var clock: ReactorClock { ReactorClock(on: self) }
}
