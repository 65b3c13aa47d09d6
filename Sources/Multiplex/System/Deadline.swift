/// The moment at which a wait ends. It survives interruptions: the time left is computed again each time.
enum Deadline {
  /// Waits without limit.
  case never
  /// Doesn't wait, and so needs no clock.
  case now
  /// Time since `origin`. A `Duration` instead of an instant: the compiler doesn't know an instant's layout, so each
  /// copy of one would be a call to the runtime.
  case at(Duration)

  private static let origin = ContinuousClock.now

  /// Practically forever, yet it can be added to the present, and passed to the kernel, without overflow.
  private static let century = Duration.seconds(100 * 365 * 86_400)

  /// - Parameter timeout: nil waits without limit; zero or less doesn't wait.
  init(after timeout: Duration?) {
    self =
      switch timeout {
      case nil: .never
      case let timeout? where timeout > .zero: .at(Self.elapsed + min(timeout, Self.century))
      default: .now
      }
  }

  /// - Parameter timeout: As in C: nil and negative values wait without limit; zero doesn't wait.
  init(cTimeout timeout: Duration?) {
    self.init(after: timeout.flatMap { $0 < .zero ? nil : $0 })
  }

  init(at instant: ContinuousClock.Instant) {
    // An instant before the origin is in the past: no time is left.
    self = .at(max(min(instant, .now + Self.century), Self.origin) - Self.origin)
  }

  /// The time left, never negative; nil without limit.
  var remaining: Duration? {
    switch self {
    case .never: nil
    case .now: .zero
    case .at(let end): max(.zero, end - Self.elapsed)
    }
  }

  private static var elapsed: Duration { ContinuousClock.now - origin }
}
