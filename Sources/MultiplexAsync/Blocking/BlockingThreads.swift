internal import Multiplex
internal import Synchronization

/// Threads for code that blocks. There are as many as there are pieces of it, up to a limit; they end when nothing is left.
final class BlockingThreads: Sendable {
  /// For what users offload: one for the process, as the limit is one of the process.
  static let shared = BlockingThreads(limit: 64)
  /// For looking up names: what users offload may keep all of its threads busy for long.
  static let lookUps = BlockingThreads(limit: 16)

  /// Something to do, and what to do instead if there can be no thread for it.
  private struct Work {
    let body: @Sendable () -> Void
    let fail: @Sendable (MultiplexError) -> Void
  }

  private struct State {
    var running = 0
    var queue: [Work] = []
  }

  private let limit: Int
  private let state = Mutex(State())

  init(limit: Int) {
    self.limit = limit
  }

  /// Runs the body on a thread; later, if too many are busy.
  ///
  /// - Parameter fail: Is called instead, with what keeps a thread from being made where there is none to wait for.
  func run(_ body: @escaping @Sendable () -> Void, orElse fail: @escaping @Sendable (MultiplexError) -> Void) {
    let needsThread = state.withLock { state in
      state.queue.append(Work(body: body, fail: fail))
      guard state.running < limit else { return false }
      state.running += 1
      return true
    }
    guard needsThread else { return }
    do throws(MultiplexError) {
      try DetachedThread.start { [self] in
        while let body = next() { body() }
      }
    } catch {
      for work in giveUpThread() { work.fail(error) }
    }
  }

  /// There could be no thread. Others do what it was for, if there are any.
  ///
  /// - Returns: What nobody is there to do.
  private func giveUpThread() -> [Work] {
    state.withLock { state in
      state.running -= 1
      guard state.running == 0 else { return [] }
      defer { state.queue = [] }
      return state.queue
    }
  }

  private func next() -> (@Sendable () -> Void)? {
    state.withLock { state in
      guard state.queue.isEmpty else { return state.queue.removeFirst().body }
      state.running -= 1
      return nil
    }
  }
}
