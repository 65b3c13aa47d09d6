internal import Multiplex
internal import Synchronization

/// Threads for blocking code: one for each piece of work, up to a limit. They end when there is nothing left to do.
final class BlockingThreads: Sendable {
  /// For work that users offload: one for the process, since the limit applies to the process.
  static let shared = BlockingThreads(limit: 64)
  /// For name lookups: offloaded work may keep all of its threads busy for a long time.
  static let lookups = BlockingThreads(limit: 16)
  /// For the files of Unix sockets, which neither offloaded work nor a slow name server may delay.
  static let socketFiles = BlockingThreads(limit: 4)

  /// A piece of work, and what to do if no thread can be started for it.
  private struct Work {
    let body: @Sendable () -> Void
    let fail: @Sendable (MultiplexError) -> Void
  }

  private struct State {
    var running = 0
    var queue: ArraySlice<Work> = []
  }

  private let limit: Int
  private let state = Mutex(State())

  init(limit: Int) {
    self.limit = limit
  }

  /// Suspends the calling task until the body has run on a thread, even if the task is cancelled meanwhile.
  ///
  /// - Throws: What the body throws; why no thread can be started.
  func perform<Value: Sendable>(
    _ body: @escaping @Sendable () throws(MultiplexError) -> Value
  ) async throws(MultiplexError) -> Value {
    let result: Result<Value, MultiplexError> = await Waiter.suspend { waiter in
      run {
        waiter.resume(returning: Result(catching: body))
      } orElse: { error in
        waiter.resume(returning: .failure(error))
      }
    }
    return try result.get()
  }

  /// Runs the body on a thread, later if too many are busy.
  ///
  /// - Parameters:
  ///   - body: The work.
  ///   - fail: Called instead, with the reason, if no thread can be started and none is running that could take over.
  func run(_ body: @escaping @Sendable () -> Void, orElse fail: @escaping @Sendable (MultiplexError) -> Void) {
    let needsThread = state.withLock { state in
      state.queue.append(Work(body: body, fail: fail))
      guard state.running < limit else { return false }
      state.running += 1
      return true
    }
    guard needsThread else { return }
    do throws(MultiplexError) {
      try DetachedThread.start(named: "blocking") { [self] in
        while let body = next() { body() }
      }
    } catch {
      for work in giveUpThread() { work.fail(error) }
    }
  }

  /// No thread could be started. The running threads take over its work, if there are any.
  ///
  /// - Returns: The work that no thread is left to do.
  private func giveUpThread() -> ArraySlice<Work> {
    state.withLock { state in
      state.running -= 1
      guard state.running == 0 else { return [] }
      defer { state.queue = [] }
      return state.queue
    }
  }

  private func next() -> (@Sendable () -> Void)? {
    state.withLock { state in
      if let work = state.queue.popFirst() { return work.body }
      state.running -= 1
      return nil
    }
  }
}
