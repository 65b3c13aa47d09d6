internal import CMultiplex
internal import Multiplex
internal import Synchronization

/// One thread that runs jobs, fires timers and waits for I/O, in turns.
///
/// What comes from other threads goes through the inbox. All the rest belongs to the loop's own thread: it is reached
/// from there alone, without a lock, which is what makes the class safe to share.
@safe
final class EventLoop: @unchecked Sendable {
  /// How often a task may run before the next wait for I/O: tasks that always have more to do are not to starve it.
  private static let passesPerTurn = 8
  /// How long to rest when waiting fails, as it does when memory is short.
  private static let restAfterFailure = Duration.milliseconds(10)

  /// Something to do on the loop's thread. A job is run once.
  @safe
  private enum Work: Sendable {
    case job(UnownedJob)
    case call(@Sendable () -> Void)
  }

  private struct Inbox {
    var work: [Work] = []
    var isStopped = false
  }

  private let inbox = Mutex(Inbox())
  private let waker: Waker
  /// The thread's number, once it runs.
  private let threadID = Atomic<UInt>(0)

  // The loop's own. What each message touches, here and in what belongs to the loop, does without the runtime's checks for
  // overlapping accesses, which cost a tenth of a message: nothing is called back while one of these is being changed.
  private let ownDriver: any Driver
  private let observation: TurnObservation?
  /// Who is told of listeners and connections.
  let subscription: Subscription?
  @safe @exclusivity(unchecked) private var timers = TimerHeap()
  /// When the last wait ended, if there were timers then. What falls due later waits for the next one: its outcome may have
  /// come by then, while jobs kept the loop from looking.
  @safe @exclusivity(unchecked) private var lastWait = ContinuousClock.now
  @safe @exclusivity(unchecked) private var queue: [Work] = []
  /// What is to be run after the next wait.
  @safe @exclusivity(unchecked) private var afterNextWait: [Work] = []
  /// What is to be run in this pass, the next one last; kept for its memory.
  @safe @exclusivity(unchecked) private var running: [Work] = []
  /// The task whose job is being run.
  @safe @exclusivity(unchecked) private var runningTask: CallingTask?
  @safe @exclusivity(unchecked) private var isStopped = false
  @safe @exclusivity(unchecked) private var executor: UnownedTaskExecutor?

  /// - Parameter observation: The driver's.
  init(driver: any Driver, subscription: Subscription? = nil, observation: TurnObservation? = nil) {
    ownDriver = driver
    self.subscription = subscription
    self.observation = observation
    waker = driver.waker
  }

  /// Whether the calling thread is the loop's.
  var isCurrent: Bool { threadID.load(ordering: .relaxed) == cmx_current_thread() }

  /// Does the I/O. On the loop's thread.
  var driver: any Driver {
    assert(isCurrent, "a reactor's state is touched on its own thread alone")
    return ownDriver
  }

  /// Returns a buffer to the driver. On the loop's thread. By way of ``driver`` each chunk would count a reference.
  func give(back buffer: PooledBuffer) {
    assert(isCurrent, "a buffer goes back on its own thread")
    unsafe ownDriver.give(back: buffer)
  }

  /// Starts the thread. It ends with ``stop()``.
  ///
  /// - Parameter executor: In whose name the jobs run. It outlives them: a task keeps its executor alive.
  func start(for executor: UnownedTaskExecutor) throws(MultiplexError) {
    unsafe self.executor = executor
    #if MULTIPLEX_FAULTS
      // What a test has planned for who makes the reactor holds for its end, where no task is left.
      let plan = FaultPlan.current
    #endif
    try DetachedThread.start { [self] in
      threadID.store(cmx_current_thread(), ordering: .relaxed)
      run()
      #if MULTIPLEX_FAULTS
        FaultPlan.$current.withValue(plan) { ownDriver.finish() }
      #else
        ownDriver.finish()
      #endif
    }
  }

  /// Ends the thread, after the work that is waiting. From any thread.
  func stop() {
    inbox.withLock { $0.isStopped = true }
    waker.wake()
  }

  /// Runs a job on the loop's thread, from any thread.
  func enqueue(_ job: UnownedJob) {
    add(.job(job))
  }

  /// Does something on the loop's thread, not at once. From any thread.
  func perform(_ body: @escaping @Sendable () -> Void) {
    add(.call(body))
  }

  /// Does something after I/O has had its turn. On the loop's thread.
  func performAfterNextWait(_ body: @escaping @Sendable () -> Void) {
    afterNextWait.append(.call(body))
  }

  /// Takes no lock and makes no system call on the loop's own thread, and wakes at most once for many calls otherwise.
  private func add(_ work: Work) {
    if isCurrent {
      queue.append(work)
    } else {
      inbox.withLock { $0.work.append(work) }
      waker.wake()
    }
  }
}

// MARK: - The turns

extension EventLoop {
  private func run() {
    while true {
      runJobs()
      fireTimers()
      // What was waiting when the end came is done. Nothing would end another wait.
      if isStopped, queue.isEmpty, afterNextWait.isEmpty { return }
      waitForIO()
    }
  }

  private func runJobs() {
    // Valid while there are jobs: their tasks keep the executor alive.
    guard let executor else { return }
    var pass = 0
    while !queue.isEmpty, pass < Self.passesPerTurn {
      swap(&queue, &running)
      running.reverse()
      // Each is let go of once it has run: what comes after it may wait in place for long.
      while let work = running.popLast() { unsafe run(work, on: executor) }
      pass += 1
    }
  }

  private func run(_ work: Work, on executor: UnownedTaskExecutor) {
    switch work {
    case .job(let job):
      runningTask = CallingTask(of: job)
      // Never the call that takes both executors: it enqueues again.
      unsafe job.runSynchronously(on: executor)
      runningTask = nil
    case .call(let body): body()
    }
  }

  /// Fires the timers that were due when the last wait ended, after what it found was dealt with.
  private func fireTimers() {
    guard !timers.isEmpty else { return }
    let limit = timers.lastSequence
    while let timer = timers.takeDue(at: lastWait, before: limit) { timer.action() }
  }

  /// - Parameter isOver: Whether a wait is of no use any more, as an observer may decide at the last moment.
  private func waitForIO(unless isOver: () -> Bool = { false }) {
    observation?.endTurn()
    do {
      let limit = queue.isEmpty && afterNextWait.isEmpty && !isOver() ? timers.timeLeft : .zero
      if try ownDriver.turn(for: limit) { takeInbox() }
    } catch {
      // The kernel is short of something. Rest a little, and try again.
      Kernel.sleep(for: Self.restAfterFailure)
      takeInbox()
    }
    if !timers.isEmpty { lastWait = .now }
    if !afterNextWait.isEmpty {
      queue += afterNextWait
      afterNextWait.removeAll(keepingCapacity: true)
    }
  }

  private func takeInbox() {
    inbox.withLock { inbox in
      queue += inbox.work
      inbox.work.removeAll(keepingCapacity: true)
      isStopped = inbox.isStopped
    }
  }
}

// MARK: - Waiting in place

extension EventLoop {
  /// Whether the calling task is the one that the loop runs, and the only one that it has to run.
  ///
  /// One that was begun within another's job (`Task.immediate`) isn't: what began it is to go on.
  var runsOnlyCaller: Bool {
    guard running.isEmpty, queue.isEmpty, let runningTask else { return false }
    return CallingTask.current == runningTask
  }

  /// Takes turns from within the job that is running, while there is nothing else to run.
  ///
  /// Where the next event is the one that its task waits for, as with a single busy connection, the task need not be
  /// suspended and resumed, which is most of what a message costs. Others don't wait longer than they would otherwise: the
  /// turns are those that the loop would take, and end as soon as there is something to run.
  ///
  /// To be called if ``runsOnlyCaller``, by a task that would have to be suspended and is in no actor, which would be
  /// blocked.
  ///
  /// - Parameter isOver: Whether what the task waits for has come.
  func waitInPlace(until isOver: () -> Bool) {
    while true {
      fireTimers()
      guard queue.isEmpty, !isStopped, !isOver() else { return }
      waitForIO(unless: isOver)
      // What has come is dealt with before timers that are due as well, as it would be by a job.
      if isOver() { return }
    }
  }
}

// MARK: - Timers

extension EventLoop {
  /// Does something at a time. On the loop's thread.
  func schedule(at deadline: ContinuousClock.Instant, _ action: @escaping () -> Void) -> Timer {
    timers.add(at: deadline, action)
  }

  /// Forgets a timer, unless it has fired. On the loop's thread.
  func cancel(_ timer: Timer) {
    timers.cancel(timer)
  }
}
