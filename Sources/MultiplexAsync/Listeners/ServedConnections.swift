/// The connections of a listener that are being served, and those who wait for their ends. Belongs to the thread of its event
/// loop.
final class ServedConnections {
  typealias Table = SlotTable<(connection: Connection, group: HandlerGroup)>
  /// Names a connection until it has ended.
  typealias Slot = Table.Slot
  typealias Served = (connection: Connection, slot: Slot)

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
  func begin(_ connection: Connection, in group: HandlerGroup) -> Served {
    group.begin()
    if group.server.isCancelled { connection.serviceWasCancelled() }
    return (connection, connections.insert((connection, group)))
  }

  func end(_ slot: Slot) {
    connections.remove(slot)?.group.end()
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

  /// The task that serves was cancelled, and its handlers with it: their connections are told here. There is nothing left
  /// for it to cancel.
  func cancel(_ server: ConnectionServer) {
    server.isCancelled = true
    for entry in connections.all where entry.group.server === server { entry.connection.serviceWasCancelled() }
    server.dismiss()
  }

  private func abortAll() {
    aborted = max(aborted, connections.count)
    for entry in connections.all {
      entry.connection.abort(because: .shutDown)
      entry.group.server.isTimeUp = true
      entry.group.server.dismiss()
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
