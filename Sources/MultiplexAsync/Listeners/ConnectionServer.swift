/// One call of `serve`. If there are several on one listener, each waits for its own connections. Belongs to the thread
/// of the listener's event loop.
final class ConnectionServer {
  /// Names its waits for connections, of which there is one at a time.
  let id: WaitID
  /// Holds a place for each of its connections.
  let limit: ConnectionLimit?
  private let reactors: ReactorGroup?
  private var connections = 0
  /// Whether it was cancelled, with its handlers.
  var isCancelled = false
  /// Whether a shutdown's time is up, which may happen before the server stops accepting.
  var isTimeUp = false
  /// Waits once the server no longer accepts. Resumed with whether to cancel its handlers.
  private var waiter: Waiter<Bool>?

  /// The groups that wait for their turn to accept.
  private var waitingGroups: [(group: HandlerGroup, waiter: Waiter<Bool>)] = []
  /// Resumed with true when another group is needed.
  private var groupMaker: Waiter<Bool>?
  private var isOver = false

  init(_ id: WaitID, limitedTo limit: ConnectionLimit?, over reactors: ReactorGroup?) {
    self.id = id
    self.limit = limit
    self.reactors = reactors
  }

  var hasConnections: Bool { connections > 0 }

  /// The reactor whose turn it is to take a connection over; nil if all connections stay with the listener.
  var nextReactor: Reactor? { reactors?.next() }

  func begin() {
    connections += 1
  }

  func end() {
    limit?.release()
    connections -= 1
    if !hasConnections { dismiss() }
  }

  // MARK: Waiting for the end

  /// Resumes with true when a shutdown's time is up and handlers must be cancelled; with false when no connection is
  /// left, or the server was cancelled.
  func awaitEnd(_ waiter: Waiter<Bool>) {
    self.waiter = waiter
    if isCancelled || isTimeUp || !hasConnections { dismiss() }
  }

  /// Resumes when no connection is left, or earlier.
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
  /// - Returns: False once the server no longer accepts.
  func needsAnotherGroup() async -> Bool {
    await Waiter.suspend { waiter in
      if isOver { waiter.resume(returning: false) } else { groupMaker = waiter }
    }
  }

  /// Lets another group accept, as this one is full, and waits for its next turn.
  ///
  /// - Returns: False once the server no longer accepts.
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

  /// Ends the turns, as the server no longer accepts.
  func endTurns() {
    isOver = true
    for waiting in waitingGroups { waiting.waiter.resume(returning: false) }
    waitingGroups = []
    groupMaker?.resume(returning: false)
    groupMaker = nil
  }
}
