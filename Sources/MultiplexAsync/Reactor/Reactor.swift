public import Multiplex

/// One thread that does the I/O of many tasks, and runs them: where it happens, without a hop and without a lock.
///
///     let reactor = try Reactor()
///     try await reactor.run {
///       let connection = try await Connection.connect(to: address, on: reactor)
///       ...
///     }
///
/// A reactor is a task executor. Tasks that prefer it run on its thread, one at a time; so they must not block it: no
/// long computation, no waiting for a lock that is held for long. Connections, listeners and sleeps belong to a reactor,
/// and are cheapest for the tasks that it runs; they work for all others too, at the price of a hop.
///
/// The thread ends when the last reference to the reactor is gone; connections and running tasks hold one.
public final class Reactor: TaskExecutor {
  /// How this reactor waits.
  public let backend: Poller.Backend
  let loop: EventLoop

  /// Starts a reactor's thread.
  ///
  /// - Throws: What keeps the backend from working here, or a thread from being made.
  public init(backend: Poller.Backend = .automatic) throws(MultiplexError) {
    self.backend = backend
    loop = EventLoop(driver: try ReadinessDriver(backend: backend))
    try unsafe loop.start(for: asUnownedTaskExecutor())
  }

  deinit {
    loop.stop()
  }

  /// Whether the calling code runs on this reactor's thread.
  public var isCurrent: Bool { loop.isCurrent }

  /// Whether the calling task runs here by its own preference, and so goes on here whatever it awaits.
  ///
  /// ``isCurrent`` isn't enough for code that awaits: a task that comes back from ``run(_:)`` may still be on this thread
  /// though it prefers another, and the next `await` takes it there.
  var isHome: Bool {
    guard isCurrent else { return false }
    // The task is used where it runs.
    let preference = unsafe withUnsafeCurrentTask { task in unsafe task?.unownedTaskExecutor }
    return unsafe preference == asUnownedTaskExecutor()
  }

  /// Takes a job of a task. Called by the concurrency runtime.
  public func enqueue(_ job: consuming ExecutorJob) {
    loop.add(.job(UnownedJob(job)))
  }

  /// Runs a piece of the calling task on this reactor, with all child tasks that it starts.
  ///
  /// The body is concurrent, as one that stays where its caller is would begin there, whatever the task prefers.
  public func run<Result: Sendable>(
    _ body: @concurrent @Sendable () async throws -> Result
  ) async rethrows -> Result {
    try await withTaskExecutorPreference(self, operation: body)
  }

  /// Does something on the reactor's thread: now, if that is the calling one.
  func onLoop(_ body: @escaping @Sendable () -> Void) {
    if isCurrent { body() } else { loop.add(.call(body)) }
  }
}
