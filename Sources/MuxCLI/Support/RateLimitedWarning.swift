import MultiplexAsync
import Synchronization

/// A warning about a lasting problem: printed at once, and then only once in a while.
final class RateLimitedWarning: Sendable {
  private let limit = RateLimit(every: .seconds(10))
  private let omitted = Atomic(0)

  /// Prints a warning, unless one was printed a short while ago.
  ///
  /// - Parameter text: Returns the warning, given the number of warnings omitted since the last one.
  func warn(_ text: (_ omitted: Int) -> String) {
    guard limit.allows() else {
      omitted.add(1, ordering: .relaxed)
      return
    }
    Console.warn(text(omitted.exchange(0, ordering: .relaxed)))
  }

  /// Prints a last warning if any were omitted since the last one.
  ///
  /// - Parameter text: Returns the warning, given the number of warnings omitted since the last one.
  func conclude(_ text: (_ omitted: Int) -> String) {
    let count = omitted.exchange(0, ordering: .relaxed)
    if count > 0 { Console.warn(text(count)) }
  }
}
