public import SystemPackage

/// A timer as a descriptor: readable once a time has passed, once or repeatedly.
///
///     let timer = try TimerDescriptor()
///     try timer.start(after: .seconds(1), every: .seconds(1))
///     try poller.register(timer, for: .read, token: 1)
///     for event in try poller.wait() where event.token == 1 {
///       let seconds = try timer.takeExpirations()
///     }
///
/// To limit a single wait, its timeout is enough. The time includes that for which the machine sleeps, as with a
/// `ContinuousClock`; the machine isn't woken. A timer may be used by several threads; each expiration goes to one of
/// them. It ends with the value; if a poller lasts longer, unregister the timer first (``Poller/unregister(_:)``).
///
/// Corresponding C functions: `timerfd_create`, `timerfd_settime`.
public struct TimerDescriptor: ~Copyable, Sendable, Selectable {
  private let descriptor: OwnedDescriptor

  /// Makes a stopped timer: non-blocking, close-on-exec.
  ///
  /// - Throws: ``MultiplexError/Reason/openFileLimit``.
  public init() throws(MultiplexError) {
    descriptor = OwnedDescriptor(adopting: try calling("timerfd_create", Kernel.timerfd()))
  }

  /// The descriptor, borrowed.
  public var fileDescriptor: FileDescriptor { descriptor.fileDescriptor }

  /// Starts or restarts the timer; pending expirations are dropped.
  ///
  /// - Parameters:
  ///   - delay: Time until the first expiration, to the nanosecond; zero or less expires at once.
  ///   - interval: Time between later expirations; nil for none.
  /// - Throws: ``MultiplexError/Reason/invalidArgument`` for an interval that isn't longer than zero.
  public func start(after delay: Duration, every interval: Duration? = nil) throws(MultiplexError) {
    if let interval, interval <= .zero {
      throw .outOfRange("an interval of \(interval)", for: "timerfd_settime", advice: "it must be longer than zero")
    }
    // A delay of zero would stop the timer.
    try set(max(delay, .nanoseconds(1)), interval ?? .zero)
  }

  /// Stops the timer; pending expirations are dropped.
  ///
  /// - Throws: The kernel's error, if any.
  public func stop() throws(MultiplexError) {
    try set(.zero, .zero)
  }

  /// Returns how often the timer has expired since it was started, or since the last call; 0 if it hasn't. The
  /// descriptor isn't readable until the next expiration.
  ///
  /// - Throws: The kernel's error, if any.
  public func takeExpirations() throws(MultiplexError) -> Int {
    Int(clamping: try descriptor.takeRecord(UInt64(0)) ?? 0)
  }

  private func set(_ delay: Duration, _ interval: Duration) throws(MultiplexError) {
    try calling(
      "timerfd_settime", on: fileDescriptor,
      Kernel.setTimer(descriptor.rawDescriptor, Timeout.timespec(delay), interval: Timeout.timespec(interval)))
  }
}
