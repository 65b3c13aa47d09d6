internal import Multiplex
internal import Synchronization

/// Threads for code that blocks. There are as many as there are pieces of it, up to a limit; they end when nothing is left.
final class BlockingThreads: Sendable {
  /// One for the process, as the limit is one of the process.
  static let shared = BlockingThreads(limit: 64)

  private struct State {
    var running = 0
    var queue: [@Sendable () -> Void] = []
  }

  private let limit: Int
  private let state = Mutex(State())

  init(limit: Int) {
    self.limit = limit
  }

  /// Runs the body on a thread; later, if too many are busy.
  ///
  /// - Throws: What keeps a thread from being made where there is none to wait for.
  func run(_ body: @escaping @Sendable () -> Void) throws(MultiplexError) {
    let needsThread = state.withLock { state in
      state.queue.append(body)
      guard state.running < limit else { return false }
      state.running += 1
      return true
    }
    guard needsThread else { return }
    do throws(MultiplexError) {
      try LoopThread.start { [self] in
        while let body = next() { body() }
      }
    } catch {
      // Another thread does it, if there is one.
      let isLost = state.withLock { state in
        state.running -= 1
        guard state.running == 0, !state.queue.isEmpty else { return false }
        state.queue.removeLast()
        return true
      }
      if isLost { throw error }
    }
  }

  private func next() -> (@Sendable () -> Void)? {
    state.withLock { state in
      guard state.queue.isEmpty else { return state.queue.removeFirst() }
      state.running -= 1
      return nil
    }
  }
}
