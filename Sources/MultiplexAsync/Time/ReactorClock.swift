/// The continuous clock, with sleeps that cost no thread but the reactor's: for code that takes a `Clock`.
///
///     try await reactor.clock.sleep(for: .seconds(1))
public struct ReactorClock: Clock {
  /// An instant of the continuous clock.
  public typealias Instant = ContinuousClock.Instant

  /// The reactor whose timers are used.
  public let reactor: Reactor

  /// Makes a clock that sleeps on a reactor.
  public init(on reactor: Reactor) {
    self.reactor = reactor
  }

  /// The current instant.
  public var now: ContinuousClock.Instant { ContinuousClock.now }

  /// The shortest difference between two instants.
  public var minimumResolution: Duration { ContinuousClock().minimumResolution }

  /// Suspends the calling task until a deadline: see ``Reactor/sleep(until:)``. A tolerance has no effect.
  ///
  /// - Throws: `CancellationError`, immediately if the task is cancelled.
  public func sleep(until deadline: ContinuousClock.Instant, tolerance: Duration? = nil) async throws {
    try await reactor.sleep(until: deadline)
  }
}
