import Multiplex
import SystemPackage
import TestSupport
import Testing

/// Longer than anything takes that is to happen at all; only tests that fail wait as long.
let patience = Duration.seconds(30)

extension Poller {
  /// What one wait finds, by descriptor.
  func found(within timeout: Duration? = .zero) throws -> [FileDescriptor: Readiness] {
    var found: [FileDescriptor: Readiness] = [:]
    for event in try wait(timeout: timeout) {
      let earlier = found.updateValue(event.readiness, forKey: event.descriptor)
      #expect(earlier == nil, "a descriptor occurs once in a batch")
      #expect(!event.readiness.isEmpty, "an event is never empty")
    }
    return found
  }

  /// The tokens that one wait finds, in ascending order.
  func tokens(within timeout: Duration? = .zero) throws -> [UInt64] {
    try wait(timeout: timeout).map(\.token).sorted()
  }

  /// Waits, if need be several times, until one wait finds exactly this. For level mode.
  func eventuallyFinds(_ expected: [FileDescriptor: Readiness]) throws -> Bool {
    try eventually(within: patience) { try found(within: .milliseconds(20)) == expected }
  }
}

extension Interest {
  /// Every interest there is.
  static let combinations: [Interest] = [
    .read, .write, .priority, .read | .write, .read | .priority, .write | .priority, .read | .write | .priority,
  ]
}

/// What a call was refused for; nil if it wasn't.
func refusal(_ body: () throws(MultiplexError) -> Void) -> MultiplexError.Reason? {
  do {
    try body()
    return nil
  } catch {
    return error.reason
  }
}

/// What a call returns, and how long it takes.
func timed<Value>(_ body: () throws -> Value) rethrows -> (Value, Duration) {
  let start = ContinuousClock.now
  let value = try body()
  return (value, ContinuousClock.now - start)
}
