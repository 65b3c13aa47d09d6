import Multiplex
import SystemPackage
import TestSupport
import Testing

extension Trait where Self == ConditionTrait {
  /// For tests that need io_uring: a container may forbid it.
  static var needsRing: ConditionTrait {
    .enabled("io_uring can't be used here") { Poller.Backend.ioUring.unavailability == nil }
  }
}

extension Ring {
  /// Submits what was prepared, and takes completions until there are `count`, or patience runs out.
  mutating func complete(_ count: Int) throws -> [Completion] {
    var taken: [Completion] = []
    let end = ContinuousClock.now + patience
    while taken.count < count, ContinuousClock.now < end {
      try submitAndWait(timeout: end - .now)
      while let completion = nextCompletion() { taken.append(completion) }
    }
    return taken
  }

  /// Submits what was prepared, and takes the completions that are there at once.
  mutating func completeNow() throws -> [Completion] {
    var taken: [Completion] = []
    repeat {
      try submit()
      while let completion = nextCompletion() { taken.append(completion) }
    } while hasPendingWork
    return taken
  }
}

/// A ring for several threads, used by one at a time.
final class SharedRing: @unchecked Sendable {
  private var ring: Ring

  init(isSingleIssuer: Bool) throws {
    ring = try Ring(isSingleIssuer: isSingleIssuer)
  }

  /// How the ring was set up.
  var setup: UInt32 { ring.features.setup }

  /// Lets the ring take buffers from a group.
  func register(_ group: BufferGroup) throws(MultiplexError) {
    try ring.register(group)
  }

  /// Ends the ring on the calling thread, and replaces it with another.
  func startOver() throws {
    ring = try Ring()
  }

  /// Sends a nop through the ring.
  func roundTrip(token: UInt64) throws -> [UInt64] {
    try ring.prepare(.nop(token: token))
    return try ring.complete(1).map(\.token)
  }
}
