public import SystemPackage

/// Time as input: a descriptor that is readable once a time has passed, once or again and again.
///
///     let timer = try TimerDescriptor()
///     try timer.start(after: .seconds(1), every: .seconds(1))
///     try poller.register(timer, for: .read, token: 1)
///     for event in try poller.wait() where event.token == 1 {
///       let seconds = try timer.takeExpirations()
///     }
///
/// Where all there is to wait for is one limit, the timeout of the wait is enough. Time goes on while the machine sleeps, as
/// on a `ContinuousClock`; the machine isn't woken. A timer may be used by several threads, each expiration coming to one of
/// them. It ends with the value; a poller that lasts longer forgets it before (``Poller/unregister(_:)``).
///
/// Corresponding C functions: `timerfd_create`, `timerfd_settime`.
public struct TimerDescriptor: ~Copyable, Sendable, Selectable {
  private let descriptor: OwnedDescriptor

  /// Makes a timer that doesn't run: non-blocking, close-on-exec.
  ///
  /// - Throws: ``MultiplexError/Reason/openFileLimit``.
  public init() throws(MultiplexError) {
    do {
      descriptor = OwnedDescriptor(adopting: try Kernel.timerfd())
    } catch {
      throw MultiplexError(call: "timerfd_create", errno: error)
    }
  }

  /// The lent descriptor.
  public var fileDescriptor: FileDescriptor { descriptor.fileDescriptor }

  /// Lets the timer run anew; expirations that weren't taken are forgotten.
  ///
  /// - Parameters:
  ///   - delay: Until it first expires, kept to the nanosecond; zero and less are over at once.
  ///   - interval: Between the times that it expires after that; nil for none.
  /// - Throws: ``MultiplexError/Reason/invalidArgument`` for an interval that isn't longer than zero.
  public func start(after delay: Duration, every interval: Duration? = nil) throws(MultiplexError) {
    if let interval, interval <= .zero {
      throw .outOfRange("an interval of \(interval)", for: "timerfd_settime", advice: "it is to be longer than zero")
    }
    // Of no time at all, the kernel would stop it.
    try set(max(delay, .nanoseconds(1)), interval ?? .zero)
  }

  /// Stops the timer; expirations that weren't taken are forgotten.
  public func stop() throws(MultiplexError) {
    try set(.zero, .zero)
  }

  /// How often the timer has expired since it was started, or this was last asked; 0 if it hasn't. Until it does so again,
  /// the descriptor isn't readable any more.
  public func takeExpirations() throws(MultiplexError) -> Int {
    Int(clamping: try descriptor.takeRecord(UInt64(0)) ?? 0)
  }

  private func set(_ delay: Duration, _ interval: Duration) throws(MultiplexError) {
    do {
      try Kernel.setTimer(descriptor.rawDescriptor, Timeout.timespec(delay), interval: Timeout.timespec(interval))
    } catch {
      throw MultiplexError(call: "timerfd_settime", descriptor: fileDescriptor, errno: error)
    }
  }
}
