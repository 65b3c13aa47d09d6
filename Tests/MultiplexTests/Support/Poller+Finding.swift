import Multiplex
import SystemPackage
import TestSupport
import Testing

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

  /// Waits until one wait finds exactly this, several times if necessary. For level mode.
  func eventuallyFinds(_ expected: [FileDescriptor: Readiness]) throws -> Bool {
    try eventually(within: patience) { try found(within: .milliseconds(20)) == expected }
  }
}
