#if MULTIPLEX_FAULTS
  internal import Multiplex
#endif

/// Takes what comes on one connection, in steps that the loop makes itself: no task is suspended and resumed for each of
/// them, which is most of what a small message costs. What a step is, each kind of pump says: in a subclass, as a class is
/// called more cheaply than the existential of a protocol.
///
/// Belongs to the thread of its connections' event loop.
@safe
class Pump: ChannelDelegate, @unchecked Sendable {
  /// The result of a step.
  enum Step {
    /// The next one may be made at once.
    case goOn
    /// Nothing has come yet.
    case awaitInput
    /// What was written is to find room, or to be gone, first.
    case awaitOutput(ConnectionCore.OutputGoal)
    /// There is no next one.
    case end
  }

  // What each message touches is in few places: beside one another here, and not in the connections.
  /// Of the input.
  final let core: ConnectionCore
  /// False before it has begun, and once it has ended.
  @safe @exclusivity(unchecked) private final var isRunning = false
  /// Whether it waits for output; for input otherwise.
  private(set) final var awaitsOutput = false
  final let input: Connection
  final let output: Connection
  final let inputID: WaitID
  private final let outputID: WaitID
  /// The task that waits for the end.
  private final var waiter: Waiter<ConnectionError?>?
  #if MULTIPLEX_FAULTS
    /// What a test has planned for the task that makes the pump: the loop has no plan itself.
    private final let plan = FaultPlan.current
  #endif

  /// - Parameters:
  ///   - output: Where the steps write; a connection of the same reactor.
  ///   - ids: Of the waits for input and for output.
  init(from input: Connection, to output: Connection, ids: (input: WaitID, output: WaitID)) {
    unsafe core = input.core
    self.input = input
    self.output = output
    (inputID, outputID) = ids
  }

  /// Is called again and again, until it says that there is something to wait for, or nothing more to do.
  ///
  /// - Throws: Why there is no next one.
  func step() throws(ConnectionError) -> Step {
    preconditionFailure("each kind of pump has its own step")
  }

  /// Is called once, when no further step is made, with what has gone wrong in a step or a wait.
  func didEnd(_ error: ConnectionError?) {
    let waiter = self.waiter
    self.waiter = nil
    waiter?.resume(returning: error)
  }

  /// Begins: with a wait, unless something was received before.
  ///
  /// - Parameter isCancelled: Whether it is to end at once.
  final func start(isCancelled: Bool) {
    if let reason = core.beginPump(self) { return didEnd(input.failure(reason, during: .read)) }
    isRunning = true
    if isCancelled || core.isServiceCancelled(inputID) { return cancel() }
    if core.lookahead.isEmpty { core.awaitPumpInput() } else { goOn() }
  }

  /// There may be input, or room, for the next step: makes steps until there is something to wait for.
  final func goOn() {
    do {
      try makeSteps()
    } catch {
      end(error)
    }
  }

  private final func makeSteps() throws(ConnectionError) {
    while true {
      let step = try plannedStep()
      // The step may have closed a connection, and so ended this.
      guard isRunning else { return }
      switch step {
      case .goOn: continue
      case .awaitInput: return core.awaitPumpInput()
      case .awaitOutput(let goal): return awaitOutput(goal)
      case .end: return end(nil)
      }
    }
  }

  @inline(__always)
  private final func plannedStep() throws(ConnectionError) -> Step {
    #if MULTIPLEX_FAULTS
      try FaultPlan.$current.withValue(plan) { Result { () throws(ConnectionError) in try step() } }.get()
    #else
      try step()
    #endif
  }

  private final func awaitOutput(_ goal: ConnectionCore.OutputGoal) {
    awaitsOutput = true
    unsafe output.core.awaitOutput(goal, outputID, .call(outputIsReady))
  }

  /// - Parameter reason: Why to go on is of no use; nil if the next step may be tried.
  private final func outputIsReady(_ reason: ConnectionError.Reason?) {
    awaitsOutput = false
    if let reason { end(output.failure(reason, during: .write)) } else { goOn() }
  }

  /// Nothing comes any more, whatever it waits for.
  final func endInput(_ reason: ConnectionError.Reason) {
    end(input.failure(reason, during: .read))
  }

  /// Ends what it waits for.
  final func cancel() {
    end(awaitsOutput ? output.failure(.cancelled, during: .write) : input.failure(.cancelled, during: .read))
  }

  private final func end(_ error: ConnectionError?) {
    guard isRunning else { return }
    isRunning = false
    core.endPump()
    // The waiter would keep this pump, and with it the core that keeps the waiter.
    if awaitsOutput { unsafe output.core.takeOutputWaiter(outputID) }
    didEnd(error)
  }
}

// MARK: - The channel

/// The channel's delegate while the pump runs, in place of the core: each message counts one reference less so.
extension Pump {
  final func channelHasInput() {
    goOn()
  }

  final func channelHasRoom() {
    core.channelHasRoom()
  }
}

// MARK: - For a task

extension Pump {
  /// Runs for the calling task, to its end. On the reactor's thread.
  ///
  /// - Returns: What has gone wrong.
  final func run() async -> ConnectionError? {
    // A task that serves this connection, and writes to no other, is told of its cancellation anyway.
    if inputID == .owner, outputID == .owner { return await suspendUntilEnd() }
    return await withTaskCancellationHandler {
      await suspendUntilEnd()
    } onCancel: {
      input.reactor.loop.perform { self.cancel() }
    }
  }

  private final func suspendUntilEnd() async -> ConnectionError? {
    await Waiter.suspend { waiter in
      self.waiter = waiter
      start(isCancelled: Task.isCancelled)
    }
  }
}

extension Pump.Step {
  /// Always inlined: nothing is left of most writes.
  ///
  /// - Parameter rest: What is left of a write on the reactor's thread.
  @inline(__always)
  init(after rest: UnfinishedWrite?, on connection: Connection) throws(ConnectionError) {
    switch rest?.rest {
    case .room: self = .awaitOutput(.room)
    case .refused(let reason): throw connection.failure(reason, during: .write)
    // It yields when there is no more to read in this turn.
    case .turn, .elsewhere, nil: self = .goOn
    }
  }
}
