/// Runs actors on a reactor's thread.
///
/// What belongs to such an actor is used on that thread only. So handlers and observers that the reactor calls on its
/// thread can use it immediately, with `assumeIsolated`, where another actor would need an `await`, and a lock a lock:
///
///     actor Room {
///       private let executor: ReactorExecutor
///       private var members: Set<Connection> = []
///
///       init(on reactor: Reactor) { executor = ReactorExecutor(reactor) }
///
///       nonisolated var unownedExecutor: UnownedSerialExecutor { unsafe executor.asUnownedSerialExecutor() }
///     }
///
/// Actors with executors of the same reactor call one another without a change of thread, as do tasks that prefer the
/// reactor: the call waits for its turn on the thread, after the jobs that are already queued.
///
/// An actor without such an executor has no thread of its own: its methods run wherever their caller's task does.
public final class ReactorExecutor: SerialExecutor {
  /// Where the actors run. The executor keeps it alive.
  public let reactor: Reactor

  /// Makes an executor of a reactor, to be kept by an actor. All executors of a reactor are equivalent.
  public init(_ reactor: Reactor) {
    self.reactor = reactor
  }

  /// Enqueues a job of an actor. Called by the concurrency runtime.
  public func enqueue(_ job: consuming ExecutorJob) {
    let job = UnownedJob(job)
    reactor.loop.perform { [self] in unsafe job.runSynchronously(on: asUnownedSerialExecutor()) }
  }

  /// A reference that the actor returns as its `unownedExecutor`. The actor has to keep the executor alive.
  public func asUnownedSerialExecutor() -> UnownedSerialExecutor {
    unsafe UnownedSerialExecutor(complexEquality: self)
  }

  /// Whether two executors are of the same reactor. Called by the concurrency runtime.
  public func isSameExclusiveExecutionContext(other: ReactorExecutor) -> Bool {
    reactor === other.reactor
  }

  /// Whether the calling code runs on the reactor's thread. Called by the concurrency runtime.
  public func isIsolatingCurrentContext() -> Bool? {
    reactor.isCurrent
  }

  /// Stops the program if the calling code doesn't run on the reactor's thread. Called by the concurrency runtime, for
  /// `assumeIsolated` and the like.
  public func checkIsolated() {
    precondition(reactor.isCurrent, "the actor belongs to the thread of a reactor, and this isn't it")
  }
}
