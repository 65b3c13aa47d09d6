internal import Multiplex

/// What a listener is on its reactor's thread: the socket, the task that waits for a connection, and the connections that
/// are being served.
final class AcceptQueue {
  /// What an attempt to accept has come to.
  enum Accepted {
    case connection(Socket)
    case nothing
    case closed
  }

  typealias Served = SlotTable<(connection: Connection, server: Server)>

  /// A task that serves: of several on one listener, each waits for its own connections.
  final class Server {
    fileprivate var connections = 0
    /// Whether it was cancelled, and its handlers with it.
    fileprivate var isCancelled = false
    /// Whether a shutdown's time was up, which it may be before the server accepts no more.
    fileprivate var isTimeUp = false
    /// Once it accepts no more. It is told whether to cancel its handlers.
    fileprivate var waiter: Waiter<Bool>?

    var hasConnections: Bool { connections > 0 }

    fileprivate func dismiss() {
      let waiter = self.waiter
      self.waiter = nil
      waiter?.resume(returning: isTimeUp && !isCancelled)
    }
  }

  /// How long to pause when there is no descriptor or memory for a connection: it goes on waiting in the kernel, and
  /// trying at once would spin.
  private static let pause = Duration.milliseconds(100)
  /// The least time to look whether something has moved: without any, looking would be all that the loop does.
  private static let leastRest = Duration.milliseconds(10)

  private let acceptor: any Acceptor
  private let address: SocketAddress
  private unowned let loop: EventLoop
  private let observation: ListenerObservation?

  private(set) var isClosed = false
  /// The connections that are served.
  @safe @exclusivity(unchecked) private var connections = Served()
  /// The tasks that accept: they wait for a connection, for a vacancy, or for the end of a pause.
  private var waiters = WaiterList<Waiter<Bool>>()
  private var lastID: UInt64 = 0
  private var pauseTimer: Timer?
  /// The tasks that wait until no connection is left.
  private var drains: [(waiter: Waiter<Int>, timer: Timer)] = []
  /// Ends when no connection is left.
  private var restTimer: Timer?
  /// How many connections were closed because the time was up.
  private var aborted = 0

  init(_ acceptor: any Acceptor, at address: SocketAddress, on loop: EventLoop) {
    self.acceptor = acceptor
    self.address = address
    self.loop = loop
    observation = ListenerObservation(loop.subscription, descriptor: acceptor.rawDescriptor, address: address)
  }

  // MARK: Accepting

  func acceptNow() -> Accepted {
    if isClosed { return .closed }
    guard pauseTimer == nil else { return .nothing }
    do {
      guard let socket = try acceptor.acceptNow() else { return .nothing }
      return .connection(socket)
    } catch {
      noteFailure(error)
      pauseTimer = loop.schedule(at: .now + Self.pause) { [weak self] in self?.endPause() }
      return .nothing
    }
  }

  /// A connection could not be accepted, or not be kept.
  func noteFailure(_ error: MultiplexError) {
    observation?.acceptFailed(error)
  }

  /// Makes a connection of an accepted socket.
  func adopt(_ socket: Socket, on reactor: Reactor) throws(MultiplexError) -> Connection {
    let peer = socket.peerAddress
    return Connection(
      try loop.driver.makeChannel(socket.take()), peer: peer, origin: .accepted(at: address), on: reactor)
  }

  /// Names a wait, so that a late cancellation hits no other.
  func makeID() -> UInt64 {
    lastID += 1
    return lastID
  }

  /// Goes on with true when accepting is worth another try, with false when it was cancelled.
  ///
  /// - Parameter onlyOne: There is a place for one connection, and no more are to be accepted.
  func await(_ id: UInt64, onlyOne: Bool, _ waiter: Waiter<Bool>, isCancelled: Bool) {
    guard !isCancelled else { return waiter.resume(returning: false) }
    waiters.append(waiter, named: id)
    guard pauseTimer == nil else { return }
    acceptor.awaitConnection(onlyOne: onlyOne) { [weak self] in self?.wakeAll() }
  }

  /// Goes on with true when a connection has ended, with false when it was cancelled.
  func awaitVacancy(_ id: UInt64, _ waiter: Waiter<Bool>, isCancelled: Bool) {
    guard !isCancelled else { return waiter.resume(returning: false) }
    waiters.append(waiter, named: id)
  }

  /// A vacancy has come about, with another listener perhaps.
  func endVacancyWait() {
    wakeAll()
  }

  func cancelWait(_ id: UInt64) {
    waiters.take(id)?.resume(returning: false)
    if waiters.isEmpty { acceptor.cancelWait() }
  }

  /// There is one at most in most programs; of several, one gets what has come, and the others wait again.
  private func wakeAll() {
    for waiter in waiters.takeAll() { waiter.resume(returning: true) }
  }

  private func endPause() {
    if let pauseTimer { loop.cancel(pauseTimer) }
    pauseTimer = nil
    wakeAll()
  }

  // MARK: Serving

  /// - Returns: What names the connection when it has ended.
  func begin(_ connection: Connection, for server: Server) -> Served.Slot {
    server.connections += 1
    if server.isCancelled { connection.serviceWasCancelled() }
    return connections.insert((connection, server))
  }

  func end(_ slot: Served.Slot) {
    guard let server = connections.remove(slot)?.server else { return }
    // There may be a descriptor to spare. A vacancy is announced by the limit, and nothing else is waited for: most
    // connections end without waking the task that accepts.
    if pauseTimer != nil { endPause() }
    server.connections -= 1
    if !server.hasConnections { server.dismiss() }
    if connections.isEmpty { endDrains() }
  }

  // MARK: Closing

  func close() {
    guard !isClosed else { return }
    isClosed = true
    acceptor.close()
    observation?.stopped()
    // The file of a Unix socket outlives it. Whoever listens there by now keeps theirs.
    if case .unix(let path) = address { removeFile(path) }
    endPause()
  }

  private func removeFile(_ path: String) {
    guard !UnixSocketFile.removeIfDeadAtOnce(path) else { return }
    // Somebody keeps the folder locked: that may take a second, which is too long for a loop.
    BlockingThreads.shared.run {
      try? UnixSocketFile.removeIfDead(path)
    } orElse: { _ in
      // It stays, as after a crash; the next listener there replaces it.
    }
  }

  /// Goes on once no connection is left, with the number of those that were closed when the time was up.
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

  /// Goes on with true when a shutdown's time is up, and handlers are to be cancelled; with false when none of the
  /// server's connections is left, or it was cancelled.
  func awaitEnd(of server: Server, _ waiter: Waiter<Bool>) {
    server.waiter = waiter
    if server.isCancelled || server.isTimeUp || !server.hasConnections { server.dismiss() }
  }

  /// Goes on when none of the server's connections is left, or earlier.
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
