/// The connections of a listener that are being served, and those who wait for their ends. Belongs to the thread of its event
/// loop.
final class ServedConnections {
  typealias Table = SlotTable<(connection: Connection, server: Server)>
  /// Names a connection until it has ended.
  typealias Slot = Table.Slot
  typealias Served = (connection: Connection, slot: Slot)

  /// A task that serves: of several on one listener, each waits for its own connections.
  final class Server {
    /// Names its waits for connections, one at a time.
    let id: WaitID
    /// Has a place for each of its connections.
    let limit: ConnectionLimit?
    private let group: ReactorGroup?
    fileprivate var connections = 0
    /// Whether it was cancelled, and its handlers with it.
    fileprivate(set) var isCancelled = false
    /// Whether a shutdown's time was up, which it may be before the server accepts no more.
    fileprivate var isTimeUp = false
    /// Once it accepts no more. It is told whether to cancel its handlers.
    fileprivate var waiter: Waiter<Bool>?

    init(_ id: WaitID, limitedTo limit: ConnectionLimit?, over group: ReactorGroup?) {
      self.id = id
      self.limit = limit
      self.group = group
    }

    var hasConnections: Bool { connections > 0 }

    /// Whose turn it is to take a connection over; nil where all of them stay with the listener.
    var nextReactor: Reactor? { group?.next() }

    fileprivate func dismiss() {
      let waiter = self.waiter
      self.waiter = nil
      waiter?.resume(returning: isTimeUp && !isCancelled)
    }
  }

  /// The least time to look whether something has moved: without any, looking would be all that the loop does.
  private static let leastRest = Duration.milliseconds(10)

  private unowned let loop: EventLoop
  @safe @exclusivity(unchecked) private var connections = Table()
  /// The tasks that wait until no connection is left.
  private var drains: [(waiter: Waiter<Int>, timer: Timer)] = []
  /// Ends when no connection is left.
  private var restTimer: Timer?
  /// How many connections were closed because the time was up.
  private var aborted = 0

  init(on loop: EventLoop) {
    self.loop = loop
  }

  /// Takes a connection among those that are served.
  func begin(_ connection: Connection, for server: Server) -> Served {
    server.connections += 1
    if server.isCancelled { connection.serviceWasCancelled() }
    return (connection, connections.insert((connection, server)))
  }

  func end(_ slot: Slot) {
    guard let server = connections.remove(slot)?.server else { return }
    server.limit?.giveBack()
    server.connections -= 1
    if !server.hasConnections { server.dismiss() }
    if connections.isEmpty { endDrains() }
  }

  /// Goes on once no connection is left, or when the time is up, with the number of those that were closed then.
  func drain(within limit: Duration, _ waiter: Waiter<Int>) {
    guard !connections.isEmpty else { return waiter.resume(returning: 0) }
    let timer = loop.schedule(at: .now + limit) { [weak self] in self?.abortAll() }
    drains.append((waiter, timer))
  }

  /// Closes the connections that owe nothing, once nothing has moved on them for so long, until none is left.
  func closeResting(after rest: Duration) {
    if let restTimer { loop.cancel(restTimer) }
    restTimer = nil
    guard !connections.isEmpty else { return }
    for entry in connections.all { entry.connection.closeIfAtRest() }
    restTimer = loop.schedule(at: .now + max(rest, Self.leastRest)) { [weak self] in self?.closeResting(after: rest) }
  }

  /// Resumes with true when a shutdown's time is up, and handlers are to be cancelled; with false when none of the
  /// server's connections is left, or it was cancelled.
  func awaitEnd(of server: Server, _ waiter: Waiter<Bool>) {
    server.waiter = waiter
    if server.isCancelled || server.isTimeUp || !server.hasConnections { server.dismiss() }
  }

  /// Resumes when none of the server's connections is left, or earlier.
  func awaitLast(of server: Server, _ waiter: Waiter<Bool>) {
    server.waiter = waiter
    if !server.hasConnections { server.dismiss() }
  }

  /// The task that serves was cancelled, and its handlers with it: their connections are told here. There is nothing left
  /// for it to cancel.
  func cancel(_ server: Server) {
    server.isCancelled = true
    for entry in connections.all where entry.server === server { entry.connection.serviceWasCancelled() }
    server.dismiss()
  }

  private func abortAll() {
    aborted = max(aborted, connections.count)
    for entry in connections.all {
      entry.connection.abort(because: .shutDown)
      entry.server.isTimeUp = true
      entry.server.dismiss()
    }
    // A handler may go on for as long as it likes, or wait for the drain itself.
    endDrains()
  }

  private func endDrains() {
    let due = drains
    drains = []
    for drain in due {
      loop.cancel(drain.timer)
      drain.waiter.resume(returning: aborted)
    }
  }
}
