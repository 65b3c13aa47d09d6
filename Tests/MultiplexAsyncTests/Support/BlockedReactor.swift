import Foundation
import MultiplexAsync

/// A reactor that does nothing until it is told to go on, or this ends.
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

  /// By ending this.
  consuming func goOn() {}

  /// Not to be called by a task, as it blocks the thread: here that is the point.
  private static func wait(for semaphore: DispatchSemaphore) {
    semaphore.wait()
  }
}
