import Foundation
import MultiplexAsync

/// Keeps a reactor blocked until it is told to continue, or this value ends.
struct BlockedReactor: ~Copyable {
  private let semaphore = DispatchSemaphore(value: 0)

  init(_ reactor: Reactor) async {
    let isBlocked = Gate()
    Task(executorPreference: reactor) { [semaphore] in
      isBlocked.open()
      Self.wait(for: semaphore)
    }
    await isBlocked.pass()
  }

  deinit {
    semaphore.signal()
  }

  /// Ends the value, which unblocks the reactor.
  consuming func goOn() {}

  /// Tasks shouldn't call this, as it blocks the thread. Here that is the point.
  private static func wait(for semaphore: DispatchSemaphore) {
    semaphore.wait()
  }
}
