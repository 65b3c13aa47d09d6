#if MULTIPLEX_FAULTS
  internal import Multiplex
#endif

/// Takes the input of one connection, in steps that the loop itself makes: no task is suspended and resumed for each of
/// them, which is most of the cost of a small message. Subclasses define the step: calling a class method is cheaper
/// than calling through a protocol existential.
///
/// Belongs to the thread of its connections' event loop.
@safe
class Pump: ChannelDelegate, @unchecked Sendable {
  /// The result of a step.
  enum Step {
    /// The next step can be made immediately.
    case `continue`
    /// Nothing has arrived yet.
    case awaitInput
    /// Written bytes need room, or have to be sent, first.
    case awaitOutput(ConnectionCore.OutputGoal)
    /// There is no next step.
    case end
  }

  // What each message touches is kept together here, and not in the connections.
  /// The input's core.
  final let core: ConnectionCore
  /// False before it has started, and after it has ended.
  @safe @exclusivity(unchecked) private final var isRunning = false
  /// Whether it waits for output, rather than for input.
  private(set) final var awaitsOutput = false
  final let input: Connection
  final let output: Connection
  final let inputID: WaitID
  private final let outputID: WaitID
  /// The task that waits for the end.
  private final var waiter: Waiter<ConnectionError?>?
  #if MULTIPLEX_FAULTS
    /// The fault plan of the task that makes the pump: the loop has none itself.
    private final let plan = FaultPlan.current
  #endif

  /// - Parameters:
  ///   - output: Where the steps write; a connection of the same reactor.
  ///   - ids: Name the waits for input and for output.
  init(from input: Connection, to output: Connection, ids: (input: WaitID, output: WaitID)) {
    unsafe core = input.core
    self.input = input
    self.output = output
    (inputID, outputID) = ids
  }

  /// Makes one step. Called repeatedly, until there is something to wait for or nothing more to do.
  ///
  /// - Throws: Why there is no next step.
  func step() throws(ConnectionError) -> Step {
    preconditionFailure("subclasses override step()")
  }

  /// Called once, when no further step is made, with the error of a step or a wait, if any.
  func didEnd(_ error: ConnectionError?) {
    let waiter = self.waiter
    self.waiter = nil
    waiter?.resume(returning: error)
  }

  /// Starts: with a wait, unless there are bytes received earlier.
  ///
  /// - Parameter isCancelled: Whether to end immediately.
  final func start(isCancelled: Bool) {
    if let reason = core.beginPump(self) { return didEnd(input.failure(reason, during: .read)) }
    isRunning = true
    if isCancelled || core.isServiceCancelled(inputID) { return cancel() }
    if core.lookahead.isEmpty { core.awaitPumpInput() } else { resume() }
  }

  /// Makes steps until there is something to wait for. Called when there may be input, or room.
  final func resume() {
    do {
      try makeSteps()
    } catch {
      end(error)
    }
  }

  private final func makeSteps() throws(ConnectionError) {
    while isRunning {
      let step = try plannedStep()
      // The step may have closed a connection, and so ended the pump.
      guard isRunning else { return }
      switch step {
      case .continue: continue
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

  /// - Parameter reason: Why continuing is pointless; nil if the next step can be tried.
  private final func outputIsReady(_ reason: ConnectionError.Reason?) {
    awaitsOutput = false
    if let reason { end(output.failure(reason, during: .write)) } else { resume() }
  }

  /// Ends the pump, whatever it waits for, as there is no more input.
  final func endInput(_ reason: ConnectionError.Reason) {
    end(input.failure(reason, during: .read))
  }

  /// Cancels the current wait, and so the pump.
  final func cancel() {
    end(awaitsOutput ? output.failure(.cancelled, during: .write) : input.failure(.cancelled, during: .read))
  }

  private final func end(_ error: ConnectionError?) {
    guard isRunning else { return }
    isRunning = false
    core.endPump()
    // The waiter would retain this pump, which retains the core that retains the waiter.
    if awaitsOutput { unsafe output.core.takeOutputWaiter(outputID) }
    didEnd(error)
  }
}

// MARK: - The channel

/// The pump is the channel's delegate while it runs, in place of the core: that saves a retain per message.
extension Pump {
  final func channelHasInput() {
    resume()
  }

  final func channelHasRoom() {
    core.channelHasRoom()
  }

  final func channelHasSent() {
    core.channelHasSent()
  }
}

// MARK: - For a task

extension Pump {
  /// Runs for the calling task, to its end. On the reactor's thread.
  ///
  /// - Returns: The error, if any.
  final func run() async -> ConnectionError? {
    // A task that serves this connection, and writes to no other, is notified of its cancellation anyway.
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
  /// Always inlined: most writes leave no remainder.
  ///
  /// - Parameter write: The remainder of a write on the reactor's thread.
  @inline(__always)
  init(after write: UnfinishedWrite?, on connection: Connection) throws(ConnectionError) {
    switch write?.remainder {
    case .room: self = .awaitOutput(.room)
    case .refused(let reason): throw connection.failure(reason, during: .write)
    // It yields when nothing is left to read in this turn.
    case .turn, .elsewhere, nil: self = .continue
    }
  }
}
