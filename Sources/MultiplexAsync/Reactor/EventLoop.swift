internal import CMultiplex
internal import Multiplex
internal import Synchronization

/// One thread that runs jobs, fires timers and waits for I/O, in turns.
///
/// Work from other threads goes through the inbox. Everything else belongs to the loop's own thread, and is used only
/// there, without a lock: that makes the class safe to share.
@safe
final class EventLoop: @unchecked Sendable {
  /// How many passes run before the next wait for I/O: tasks that always have more to do must not starve it.
  private static let passesPerTurn = 8
  /// How long to sleep when waiting fails, as it does when memory is short.
  private static let sleepAfterFailure = Duration.milliseconds(10)
  /// After so many failed waits, timers fire even though what they are deadlines for may have happened.
  private static let patience = 10

  /// Work for the loop's thread. A job is run once.
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
  /// The thread's identifier, once it runs.
  private let threadID = Atomic<UInt>(0)

  // The loop's own state. What each message touches, here and in objects of the loop, does without the runtime's
  // exclusivity checks, which cost a tenth of a message: nothing is called back while one of these is being changed.
  private let ownDriver: any Driver
  let gathering = GatheringConnections()
  private let observation: TurnObservation?
  /// The observer of everything but turns.
  let subscription: Subscription?
  @safe @exclusivity(unchecked) private var timers = TimerHeap()
  /// Kept up to date while there are timers.
  @safe @exclusivity(unchecked) private var timerTime = TimerTime()
  @safe @exclusivity(unchecked) private var queue: [Work] = []
  /// Work to run after the next wait.
  @safe @exclusivity(unchecked) private var afterNextWait: [Work] = []
  /// Work to run in this pass, in reverse order; kept for its memory.
  @safe @exclusivity(unchecked) private var running: [Work] = []
  /// How many passes may run before the next wait. A job that waits in place brings more.
  @safe @exclusivity(unchecked) private var passesLeft = passesPerTurn
  /// The task whose job is running.
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

  /// The driver that does the I/O. Use it on the loop's thread.
  var driver: any Driver {
    assert(isCurrent, "a reactor's state belongs to its own thread")
    return ownDriver
  }

  /// Returns a buffer to the driver. On the loop's thread. Going through ``driver`` would cost a retain per chunk.
  func recycle(_ buffer: PooledBuffer) {
    assert(isCurrent, "a buffer is recycled on its reactor's thread")
    unsafe ownDriver.recycle(buffer)
  }

  /// Starts the thread. It ends with ``stop()``.
  ///
  /// - Parameter executor: Runs the jobs. It outlives them: a task keeps its executor alive.
  func start(for executor: UnownedTaskExecutor) throws(MultiplexError) {
    unsafe self.executor = executor
    #if MULTIPLEX_FAULTS
      // The fault plan of the task that makes the reactor also applies to its end, where no task is left.
      let plan = FaultPlan.current
    #endif
    try DetachedThread.start(named: "reactor") { [self] in
      threadID.store(cmx_current_thread(), ordering: .relaxed)
      run()
      #if MULTIPLEX_FAULTS
        FaultPlan.$current.withValue(plan) { ownDriver.finish() }
      #else
        ownDriver.finish()
      #endif
    }
  }

  /// Ends the thread, after pending work. From any thread.
  func stop() {
    inbox.withLock { $0.isStopped = true }
    waker.wake()
  }

  /// Runs a job on the loop's thread, from any thread.
  func enqueue(_ job: UnownedJob) {
    add(.job(job))
  }

  /// Runs a closure on the loop's thread, never immediately. From any thread.
  func perform(_ body: @escaping @Sendable () -> Void) {
    add(.call(body))
  }

  /// Runs a closure after the next wait for I/O. On the loop's thread.
  func performAfterNextWait(_ body: @escaping @Sendable () -> Void) {
    afterNextWait.append(.call(body))
  }

  /// On the loop's own thread, takes no lock and makes no system call; otherwise wakes the loop at most once for many
  /// calls.
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
      // Work that was pending at the end is done. Nothing would end another wait.
      if isStopped, queue.isEmpty, afterNextWait.isEmpty { return }
      waitForIO()
    }
  }

  private func runJobs() {
    // Valid while there are jobs: their tasks keep the executor alive.
    guard let executor else { return }
    while !queue.isEmpty, passesLeft > 0 {
      passesLeft -= 1
      swap(&queue, &running)
      running.reverse()
      // Each is released once it has run: the next one may wait in place for a long time.
      while let work = running.popLast() { unsafe run(work, on: executor) }
    }
  }

  private func run(_ work: Work, on executor: UnownedTaskExecutor) {
    switch work {
    case .job(let job):
      runningTask = CallingTask(of: job)
      // Never the call that takes both executors: it enqueues the job again.
      unsafe job.runSynchronously(on: executor)
      runningTask = nil
    case .call(let body): body()
    }
  }

  /// Fires the timers that are due, after the events of the last wait were handled.
  private func fireTimers() {
    guard !timers.isEmpty else { return }
    let limit = timers.lastSequence
    while let timer = timers.takeDue(at: timerTime.now, before: limit) { timer.action() }
  }

  /// - Parameter isOver: Whether a wait is no longer of use, which an observer may cause at the last moment.
  private func waitForIO(unless isOver: () -> Bool = { false }) {
    gathering.endTurn()
    observation?.endTurn()
    passesLeft = Self.passesPerTurn
    do {
      // What is left to do may be an observer's doing, at the last moment.
      let isIdle = queue.isEmpty && afterNextWait.isEmpty && gathering.isEmpty && !isOver()
      try ownDriver.wait(for: isIdle ? timers.timeLeft : .zero)
      // Taken before anything is handled: that may take a while, and more may happen meanwhile.
      let end = timers.isEmpty ? nil : ContinuousClock.now
      if ownDriver.handleEvents() { takeInbox() }
      if let end { timerTime.waitEnded(at: end, waitsBehind: ownDriver.waitsBehind) }
    } catch {
      // The kernel lacks resources. Sleep a little, and try again.
      subscription?.waitFailed(because: error)
      Kernel.sleep(for: Self.sleepAfterFailure)
      takeInbox()
      timerTime.waitEnded(at: .now, waitsBehind: Self.patience)
    }
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
  /// Whether the calling task is the one that the loop is running, and there is nothing else to run.
  ///
  /// False for a task that was started within another's job (`Task.immediate`): the other one has to continue.
  var runsOnlyCaller: Bool {
    guard running.isEmpty, queue.isEmpty, let runningTask else { return false }
    return CallingTask.current == runningTask
  }

  /// Takes turns from within the job that is running, while there is nothing else to run.
  ///
  /// If the next event is the one that the task waits for, as with a single busy connection, the task need not be
  /// suspended and resumed, which is most of the cost of a message. Others don't wait longer than otherwise: the turns
  /// are those that the loop would take, and end as soon as there is something to run.
  ///
  /// Call it only if ``runsOnlyCaller``, from a task that would have to be suspended and isn't in an actor, which would
  /// be blocked.
  ///
  /// - Parameter isOver: Whether what the task waits for has happened.
  func waitInPlace(until isOver: () -> Bool) {
    func mayGoOn() -> Bool { queue.isEmpty && !isStopped && !isOver() }
    // Events are handled before timers that are due as well: by this task, or by another one's job.
    while mayGoOn() {
      fireTimers()
      guard mayGoOn() else { return }
      waitForIO(unless: isOver)
    }
  }
}

// MARK: - Timers

extension EventLoop {
  /// Calls a closure at a given time. On the loop's thread.
  func schedule(at deadline: ContinuousClock.Instant, _ action: @escaping () -> Void) -> Timer {
    timers.add(at: deadline, action)
  }

  /// The time that timers go by. On the loop's thread, while there are timers.
  var timerNow: ContinuousClock.Instant { timerTime.now }

  /// Cancels a timer, unless it has fired. On the loop's thread.
  func cancel(_ timer: Timer) {
    timers.cancel(timer)
  }
}
