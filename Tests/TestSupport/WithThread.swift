internal import Foundation
internal import Synchronization

/// Runs `other` on a thread of its own while `body` runs on this one; returns when both have ended.
///
/// Tests share the few threads of a pool. A second party that lives on one of them could wait for ever for the first to
/// leave, so it gets a thread that nobody else wants.
public func withThread<Value>(
  _ other: @escaping @Sendable () throws -> Void, while body: () throws -> Value
) throws -> Value {
  let thread = JoinableThread(other)
  let result = Result { try body() }
  try thread.join()
  return try result.get()
}

/// A thread that can be waited for.
private final class JoinableThread: Sendable {
  private let hasEnded = DispatchSemaphore(value: 0)
  private let failure = Mutex<(any Error)?>(nil)

  init(_ body: @escaping @Sendable () throws -> Void) {
    Thread.detachNewThread { [self] in
      do { try body() } catch { failure.withLock { $0 = error } }
      hasEnded.signal()
    }
  }

  func join() throws {
    hasEnded.wait()
    if let error = failure.withLock({ $0 }) { throw error }
  }
}
