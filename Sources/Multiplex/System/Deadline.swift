/// The moment at which a wait ends. It survives interruptions: what is left is counted anew each time.
enum Deadline {
  /// Waits without limit.
  case never
  /// Doesn't wait, and so needs no clock.
  case now
  /// Time passed since `origin`. An instant itself would have to be copied by the runtime, which alone knows its layout.
  case at(Duration)

  private static let origin = ContinuousClock.now

  /// As good as for ever, yet it can be added to the present, and given to the kernel, without overflow.
  private static let century = Duration.seconds(100 * 365 * 86_400)

  /// - Parameter timeout: nil waits without limit; zero and less don't wait.
  init(after timeout: Duration?) {
    self =
      switch timeout {
      case nil: .never
      case let timeout? where timeout > .zero: .at(Self.elapsed + min(timeout, Self.century))
      default: .now
      }
  }

  init(at instant: ContinuousClock.Instant) {
    // As far in the past as it may be, it has passed: no time is left.
    self = .at(max(min(instant, .now + Self.century), Self.origin) - Self.origin)
  }

  /// The time left, never negative; nil without limit.
  var remaining: Duration? {
    switch self {
    case .never: nil
    case .now: .zero
    case .at(let moment): max(.zero, moment - Self.elapsed)
    }
  }

  /// Rests for a moment, where nothing tells when to try again.
  ///
  /// - Returns: Whether there was time left.
  func pause() -> Bool {
    let remaining = remaining ?? Self.moment
    guard remaining > .zero else { return false }
    Kernel.rest(for: min(remaining, Self.moment))
    return true
  }

  private static let moment = Duration.milliseconds(2)

  private static var elapsed: Duration { ContinuousClock.now - origin }
}
