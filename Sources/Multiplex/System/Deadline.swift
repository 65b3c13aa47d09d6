/// The moment at which a wait ends. It survives interruptions: what is left is counted anew each time.
struct Deadline {
  private let instant: ContinuousClock.Instant?

  /// Waits without limit.
  static let never = Deadline(instant: nil)

  /// As good as for ever, yet it can be added to the present, and given to the kernel, without overflow.
  private static let century = Duration.seconds(100 * 365 * 86_400)

  private init(instant: ContinuousClock.Instant?) {
    self.instant = instant
  }

  /// - Parameter timeout: nil waits without limit; zero and less don't wait.
  init(after timeout: Duration?) {
    guard let timeout else {
      self = .never
      return
    }
    self.init(instant: .now + min(timeout, Self.century))
  }

  init(at instant: ContinuousClock.Instant) {
    self.init(instant: min(instant, .now + Self.century))
  }

  /// The time left, never negative; nil without limit.
  var remaining: Duration? {
    guard let instant else { return nil }
    return max(.zero, instant - .now)
  }
}
