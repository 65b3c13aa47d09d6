import MultiplexAsync

/// A complaint about something that lasts: made at once, and then once in a while.
final class OccasionalComplaint: Sendable {
  private let limit = RateLimit(every: .seconds(10))

  func make(_ text: @autoclosure () -> String) {
    if limit.allows() { Console.complain(text()) }
  }
}
