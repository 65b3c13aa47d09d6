public import Multiplex

/// One thread that performs the I/O of many tasks and runs them, so no executor hop or lock is needed.
///
///     let reactor = try Reactor()
///     try await reactor.run {
///       let connection = try await Connection.connect(to: address, on: reactor)
///       ...
///     }
///
/// A reactor is a task executor. Tasks that prefer it run on its thread, one at a time, so they must not block it: no
/// long computations, no waiting for locks held for long. Connections, listeners and sleeps belong to a reactor, and
/// are cheapest for the tasks that it runs; they work for all others too, at the cost of an executor hop.
///
/// The thread ends when the last reference to the reactor is released; connections and running tasks hold one.
public final class Reactor: TaskExecutor {
  /// How this reactor waits.
  public let backend: Poller.Backend
  let loop: EventLoop

  /// Starts a reactor's thread.
  ///
  /// - Parameters:
  ///   - backend: How the reactor waits; nil chooses the backend that serves connections at the lowest cost
  ///     (``automaticBackend``), or the next one if this process has no memory for another ring.
  ///   - observer: Notified of what happens on the reactor.
  /// - Throws: Why the backend or a thread isn't available.
  public init(
    backend: Poller.Backend? = nil, observer: (any ReactorObserver)? = nil
  ) throws(MultiplexError) {
    let subscription = observer.map(Subscription.init)
    let observation = TurnObservation(subscription)
    let driver: any Driver
    (self.backend, driver) = try Poller.Backend.makeDriver(for: backend, observation)
    loop = EventLoop(driver: driver, subscription: subscription, observation: observation)
    try unsafe loop.start(for: asUnownedTaskExecutor())
  }

  deinit {
    loop.stop()
  }

  /// Whether the calling code runs on this reactor's thread.
  public var isCurrent: Bool { loop.isCurrent }

  /// Enqueues a job of a task. Called by the concurrency runtime.
  public func enqueue(_ job: consuming ExecutorJob) {
    loop.enqueue(UnownedJob(job))
  }

  /// Runs a closure on this reactor, with all child tasks that it starts, and waits for it.
  ///
  /// Called from a task already on this reactor, it is an ordinary call; otherwise the closure runs as a child task.
  ///
  /// - Throws: What the body throws.
  public func run<Value: Sendable, Failure: Error>(
    _ body: @escaping @Sendable () async throws(Failure) -> Value
  ) async throws(Failure) -> Value {
    // In a caller's actor, the body would continue wherever that actor runs, which may be another thread.
    if isPreferred, isNoActor(#isolation) { return try await body() }
    return try await runInChildTask(body)
  }

  /// Never inlined: the memory for a task group would be part of every caller's frame while that waits.
  @inline(never)
  private func runInChildTask<Value: Sendable, Failure: Error>(
    _ body: @escaping @Sendable () async throws(Failure) -> Value
  ) async throws(Failure) -> Value {
    // Not `withTaskExecutorPreference`: optimized builds of Swift 6.3.1 may leave out the hop that it should begin
    // with, and the body would run wherever the caller was. A task always begins on its executor.
    let result = await withTaskGroup(of: Result<Value, Failure>.self) { group in
      // Task groups have no typed errors.
      group.addTask(executorPreference: self) {
        do throws(Failure) {
          return .success(try await body())
        } catch {
          return .failure(error)
        }
      }
      guard let result = await group.next() else { preconditionFailure("a group of one task has one result") }
      return result
    }
    return try result.get()
  }

  /// Whether the calling task resumes here after any `await`.
  ///
  /// ``isCurrent`` is enough for code that doesn't await. A task that returns from ``run(_:)`` may still be on this
  /// thread though it prefers another executor, where its next `await` takes it.
  var isPreferred: Bool {
    guard isCurrent else { return false }
    // The executor is only compared, not called.
    return unsafe withUnsafeCurrentTask { task in
      unsafe task?.unownedTaskExecutor.map { unsafe $0 == asUnownedTaskExecutor() } ?? false
    }
  }

  /// Runs a closure on the reactor's thread: immediately, if the calling thread is that one.
  func onLoop(_ body: @escaping @Sendable () -> Void) {
    if isCurrent { body() } else { loop.perform(body) }
  }

  /// Runs a closure on the reactor's thread, as ``onLoop(_:)`` does, with a target that belongs to that thread. If the
  /// closure captures nothing, no memory is allocated when the calling thread is that one.
  func onLoop<Target>(_ target: Target, _ body: @escaping @Sendable (Target) -> Void) {
    if isCurrent { return body(target) }
    // Used only on the loop's thread.
    nonisolated(unsafe) let target = target
    loop.perform { unsafe body(target) }
  }
}

extension Reactor: CustomStringConvertible {
  /// The backend: "<reactor on epoll>".
  public var description: String { "<reactor on \(backend)>" }
}
