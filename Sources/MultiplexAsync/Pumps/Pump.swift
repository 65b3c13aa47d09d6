/// Takes what comes on one connection, in steps that the loop makes itself: no task is suspended and resumed for each of
/// them, which is most of what a small message costs.
///
/// Belongs to the thread of its connections' event loop.
@safe
final class Pump: @unchecked Sendable {
  /// What a step has come to.
  enum Step {
    /// The next one may be made at once.
    case goOn
    /// Nothing has come yet.
    case awaitInput
    /// What was written is to find room, or to be gone, first.
    case awaitOutput(Stream.OutputGoal)
    /// There is no next one.
    case end(ConnectionError?)
  }

  private let input: Connection
  private let output: Connection
  private let work: any PumpWork
  let inputID: UInt64
  private let outputID: UInt64
  /// Whether it waits for output; for input otherwise.
  private(set) var awaitsOutput = false
  /// Nil before it has begun, and once it has ended.
  private var whenOver: ((ConnectionError?) -> Void)?

  /// - Parameters:
  ///   - output: Where the work writes; a connection of the same reactor.
  ///   - ids: Of the waits for input and for output.
  init(
    from input: Connection, to output: Connection, for work: any PumpWork, ids: (input: UInt64, output: UInt64)
  ) {
    self.input = input
    self.output = output
    self.work = work
    (inputID, outputID) = ids
  }

  /// Begins: with a wait, unless something was received before.
  ///
  /// - Parameters:
  ///   - isCancelled: Whether it is to end at once.
  ///   - end: Is called once, when no further step is made, with what has gone wrong in a step or a wait.
  func start(isCancelled: Bool, end: @escaping (ConnectionError?) -> Void) {
    let stream = unsafe input.stream
    if let reason = stream.beginPump(self) { return end(input.failure(reason, during: .read)) }
    whenOver = end
    if isCancelled || stream.isServiceCancelled(inputID) { return cancel() }
    if stream.lookahead.isEmpty { stream.channel.awaitInput() } else { goOn() }
  }

  /// There may be input, or room, for the next step: makes steps until there is something to wait for.
  func goOn() {
    while true {
      let step = work.step()
      // The step may have closed a connection, and so ended this.
      guard whenOver != nil else { return }
      switch step {
      case .goOn: continue
      case .awaitInput: return unsafe input.stream.channel.awaitInput()
      case .awaitOutput(let goal): return awaitOutput(goal)
      case .end(let error): return end(error)
      }
    }
  }

  private func awaitOutput(_ goal: Stream.OutputGoal) {
    awaitsOutput = true
    let stream = unsafe output.stream
    let isCancelled = stream.isServiceCancelled(outputID)
    stream.awaitOutput(goal, outputID, .call(outputIsReady), isCancelled: isCancelled)
  }

  /// - Parameter reason: Why going on is of no use; nil if it is worth a try.
  private func outputIsReady(_ reason: ConnectionError.Reason?) {
    awaitsOutput = false
    if let reason { end(output.failure(reason, during: .write)) } else { goOn() }
  }

  /// Nothing comes any more, whatever it waits for.
  func endInput(_ reason: ConnectionError.Reason) {
    end(input.failure(reason, during: .read))
  }

  /// Ends what it waits for.
  func cancel() {
    end(awaitsOutput ? output.failure(.cancelled, during: .write) : input.failure(.cancelled, during: .read))
  }

  private func end(_ error: ConnectionError?) {
    guard let whenOver else { return }
    self.whenOver = nil
    unsafe input.stream.endPump()
    // The waiter would keep this pump, and with it the stream that keeps the waiter.
    if awaitsOutput { unsafe output.stream.takeOutputWaiter(outputID) }
    whenOver(error)
  }
}
