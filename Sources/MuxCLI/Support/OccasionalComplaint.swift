import MultiplexAsync
import Synchronization

/// A complaint about something that lasts: made at once, and then once in a while.
final class OccasionalComplaint: Sendable {
  private let limit = RateLimit(every: .seconds(10))
  private let omitted = Atomic(0)

  /// - Parameter text: What to say, given how often nothing was said since the last time.
  func make(_ text: (_ omitted: Int) -> String) {
    guard limit.allows() else {
      omitted.add(1, ordering: .relaxed)
      return
    }
    Console.complain(text(omitted.exchange(0, ordering: .relaxed)))
  }

  /// - Parameter text: What to say at the end, given how often nothing was said since the last time, if that is so.
  func conclude(_ text: (_ omitted: Int) -> String) {
    let count = omitted.exchange(0, ordering: .relaxed)
    if count > 0 { Console.complain(text(count)) }
  }
}
