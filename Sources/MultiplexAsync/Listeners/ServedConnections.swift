internal import Multiplex

/// The connections that a listener serves, and the waits for their ends. Belongs to its event loop's thread.
final class ServedConnections {
  typealias Table = SlotTable<(connection: Connection, group: HandlerGroup)>
  /// Names a connection until it has ended.
  typealias Slot = Table.Slot
  typealias Served = (connection: Connection, slot: Slot)

  /// The shortest interval for checking whether something has moved: without a minimum, the loop would do nothing else.
  private static let minimumIdleCheckInterval = Duration.milliseconds(10)

  private unowned let loop: EventLoop
  @safe @exclusivity(unchecked) private var connections = Table()
  /// How many connections were accepted and aren't served yet.
  @safe @exclusivity(unchecked) private var expected = 0
  /// Those of them that were accepted when the listener was closed, by the server that has a place for them.
  private var last: [(server: ConnectionServer, sockets: ArraySlice<AcceptedSocket>)] = []
  /// The tasks that wait until no connection is left.
  private var drains: [(waiter: Waiter<Int>, timer: Timer)] = []
  /// Set until no connection is left.
  private var idleTimer: Timer?
  /// How many connections were closed because the time was up.
  private var aborted = 0
  /// Whether the time was up.
  private(set) var isOver = false

  init(on loop: EventLoop) {
    self.loop = loop
  }

  // MARK: Before they are served

  /// A connection was accepted: a shutdown waits for it from now on.
  func expect() {
    expected += 1
  }

  /// An expected connection is served by now, or lost.
  func settle() {
    expected -= 1
    if isEmpty { endDrains() }
  }

  /// Keeps a connection that was accepted while the listener is being closed.
  ///
  /// - Parameter server: Its limit has a place for the connection.
  func keepLast(_ accepted: AcceptedSocket, for server: ConnectionServer) {
    expect()
    if last.last?.server !== server { last.append((server, [])) }
    last[last.count - 1].sockets.append(accepted)
  }

  /// The next of them.
  func takeLast(for server: ConnectionServer) -> AcceptedSocket? {
    guard let index = last.firstIndex(where: { $0.server === server }) else { return nil }
    return last[index].sockets.popFirst()
  }

  /// Closes those that nobody will serve.
  private func dropLast(where isDropped: (ConnectionServer) -> Bool) {
    for index in last.indices where isDropped(last[index].server) {
      while let accepted = last[index].sockets.popFirst() {
        _ = OwnedDescriptor(adopting: accepted.descriptor)
        last[index].server.limit?.release()
        settle()
      }
    }
  }

  private var isEmpty: Bool { connections.isEmpty && expected == 0 }

  // MARK: Serving

  /// Begins to serve a connection.
  func begin(_ connection: Connection, in group: HandlerGroup) -> Served {
    group.begin()
    return add(connection, in: group)
  }

  /// Adds a connection to those that are served. Its group was told to begin.
  func add(_ connection: Connection, in group: HandlerGroup) -> Served {
    if group.server.isCancelled { connection.serviceWasCancelled() }
    return (connection, connections.insert((connection, group)))
  }

  func end(_ slot: Slot) {
    connections.remove(slot)?.group.end()
    if isEmpty { endDrains() }
  }

  // MARK: Shutting down

  /// Resumes once no connection is left, or when the time is up, with the number of connections closed then.
  func drain(within limit: Duration, _ waiter: Waiter<Int>) {
    guard !isEmpty else { return waiter.resume(returning: 0) }
    let timer = loop.schedule(at: .now + limit) { [weak self] in self?.abortAll() }
    drains.append((waiter, timer))
  }

  /// Closes the connections that owe nothing, once nothing has moved on them for `idleTime`, until none is left.
  func closeIdle(after idleTime: Duration) {
    for entry in connections.all { entry.connection.beginIdleCheck() }
    scheduleIdleCheck(after: max(idleTime, Self.minimumIdleCheckInterval))
  }

  private func scheduleIdleCheck(after interval: Duration) {
    if let idleTimer { loop.cancel(idleTimer) }
    idleTimer = nil
    guard !isEmpty else { return }
    idleTimer = loop.schedule(at: .now + interval) { [weak self] in
      guard let self else { return }
      for entry in connections.all { entry.connection.closeIfIdle() }
      scheduleIdleCheck(after: interval)
    }
  }

  /// Cancels a server whose task was cancelled with its handlers: their connections end their waits. There is nothing
  /// else to cancel.
  func cancel(_ server: ConnectionServer) {
    server.isCancelled = true
    for entry in connections.all where entry.group.server === server { entry.connection.serviceWasCancelled() }
    dropLast { $0 === server }
    server.dismiss()
  }

  private func abortAll() {
    isOver = true
    aborted = max(aborted, connections.count + expected)
    for entry in connections.all {
      entry.connection.abort(because: .shutDown)
      entry.group.server.isTimeUp = true
      entry.group.server.dismiss()
    }
    dropLast { _ in true }
    // A handler may continue as long as it likes, or wait for the drain itself.
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
