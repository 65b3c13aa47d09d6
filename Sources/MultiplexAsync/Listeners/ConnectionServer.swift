/// A call of `serve`: of several on one listener, each waits for its own connections. Belongs to the thread of the listener's
/// event loop.
final class ConnectionServer {
  /// Names its waits for connections, one at a time.
  let id: WaitID
  /// Has a place for each of its connections.
  let limit: ConnectionLimit?
  private let reactors: ReactorGroup?
  private var connections = 0
  /// Whether it was cancelled, and its handlers with it.
  var isCancelled = false
  /// Whether a shutdown's time was up, which it may be before the server accepts no more.
  var isTimeUp = false
  /// Once it accepts no more. It is told whether to cancel its handlers.
  private var waiter: Waiter<Bool>?

  /// The groups that don't accept.
  private var waitingGroups: [(group: HandlerGroup, waiter: Waiter<Bool>)] = []
  /// Goes on with true when another group is needed.
  private var groupMaker: Waiter<Bool>?
  private var isOver = false

  init(_ id: WaitID, limitedTo limit: ConnectionLimit?, over reactors: ReactorGroup?) {
    self.id = id
    self.limit = limit
    self.reactors = reactors
  }

  var hasConnections: Bool { connections > 0 }

  /// Whose turn it is to take a connection over; nil where all of them stay with the listener.
  var nextReactor: Reactor? { reactors?.next() }

  func begin() {
    connections += 1
  }

  func end() {
    limit?.giveBack()
    connections -= 1
    if !hasConnections { dismiss() }
  }

  // MARK: Waiting for the end

  /// Resumes with true when a shutdown's time is up, and handlers are to be cancelled; with false when none of the
  /// connections is left, or the server was cancelled.
  func awaitEnd(_ waiter: Waiter<Bool>) {
    self.waiter = waiter
    if isCancelled || isTimeUp || !hasConnections { dismiss() }
  }

  /// Resumes when none of the connections is left, or earlier.
  func awaitLast(_ waiter: Waiter<Bool>) {
    self.waiter = waiter
    if !hasConnections { dismiss() }
  }

  func dismiss() {
    let waiter = self.waiter
    self.waiter = nil
    waiter?.resume(returning: isTimeUp && !isCancelled)
  }

  // MARK: Turns of its groups

  /// Waits until all groups are full.
  ///
  /// - Returns: False once no more is accepted.
  func needsAnotherGroup() async -> Bool {
    await Waiter.suspend { waiter in
      if isOver { waiter.resume(returning: false) } else { groupMaker = waiter }
    }
  }

  /// Lets another group accept, as this one is full, and waits for its next turn.
  ///
  /// - Returns: False once no more is accepted.
  func passTurn(from group: HandlerGroup) async -> Bool {
    await Waiter.suspend { waiter in
      if let next = waitingGroups.firstIndex(where: { $0.group.hasRoom }) {
        waitingGroups.remove(at: next).waiter.resume(returning: true)
      } else {
        groupMaker?.resume(returning: true)
        groupMaker = nil
      }
      waitingGroups.append((group, waiter))
    }
  }

  /// Ends the turns, as no more is accepted.
  func endTurns() {
    isOver = true
    for waiting in waitingGroups { waiting.waiter.resume(returning: false) }
    waitingGroups = []
    groupMaker?.resume(returning: false)
    groupMaker = nil
  }
}
