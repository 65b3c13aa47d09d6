internal import Multiplex

/// What a listener is on its reactor's thread: the socket, those that wait for a connection, and the connections that it
/// serves.
final class ListenerCore: AcceptorDelegate {
  /// The result of an attempt to accept.
  enum Attempt {
    /// It has a place within the limit.
    case accepted(AcceptedSocket)
    /// No connection waits, or there is nothing to spare for one.
    case nothing
    /// There is no place for a connection.
    case full
    case closed
  }

  /// How long to pause when there is no descriptor or memory for a connection: it goes on waiting in the kernel, and
  /// trying at once would spin.
  private static let pause = Duration.milliseconds(100)

  /// How many connections may be accepted before others have their turn.
  private static let share = 64

  private let acceptor: any Acceptor
  private let address: SocketAddress
  /// Whether others may listen on when this has ended.
  private let isShared: Bool
  private unowned let loop: EventLoop
  private let observation: ListenerObservation?

  private(set) var isClosed = false
  /// The file of a Unix socket that may have outlived it.
  private var fileLeft: String?
  let served: ServedConnections
  /// Those that accept: they wait for a connection, for a vacancy, or for the end of a pause.
  private var waiters = WaiterList<Bool>()
  private var waitIDs = WaitIDs()
  private var pauseTimer: Timer?
  /// How many connections were accepted since the last wait.
  private var acceptedAtOnce = 0

  init(_ acceptor: any Acceptor, at address: SocketAddress, isShared: Bool, on loop: EventLoop) {
    self.acceptor = acceptor
    self.address = address
    self.isShared = isShared
    self.loop = loop
    served = ServedConnections(on: loop)
    observation = ListenerObservation(loop.subscription, descriptor: acceptor.rawDescriptor, address: address)
    acceptor.delegate = self
  }

  // MARK: Accepting

  /// Accepts a connection without waiting.
  func acceptNow(limitedTo limit: ConnectionLimit?) -> Attempt {
    if isClosed { return .closed }
    guard let limit else { return acceptNow() }
    guard limit.take() else { return .full }
    let attempt = acceptNow()
    // A place that is kept while nothing comes would be missed by the others.
    if case .nothing = attempt { limit.giveBack() }
    return attempt
  }

  private func acceptNow() -> Attempt {
    guard pauseTimer == nil else { return .nothing }
    do {
      return try acceptor.acceptNow().map { .accepted($0) } ?? .nothing
    } catch {
      beginPause(because: error)
      return .nothing
    }
  }

  private func beginPause(because error: MultiplexError) {
    noteFailure(error)
    pauseTimer = loop.schedule(at: .now + Self.pause) { [weak self] in self?.endPause() }
  }

  /// A connection could not be accepted, or not be kept.
  private func noteFailure(_ error: MultiplexError) {
    observation?.acceptFailed(error)
  }

  /// Makes a connection of an accepted socket.
  ///
  /// - Returns: nil for one that can't be waited for: it is lost, with its place within the limit; the listener isn't.
  func adopt(_ accepted: AcceptedSocket, on reactor: Reactor, limitedTo limit: ConnectionLimit?) -> Connection? {
    do {
      return try accepted.connection(at: address, on: reactor)
    } catch {
      noteFailure(error)
      limit?.giveBack()
      return nil
    }
  }

  /// Makes a connection of an accepted socket, to be served.
  ///
  /// - Returns: nil as ``adopt(_:on:limitedTo:)``.
  func adopt(
    _ accepted: AcceptedSocket, on reactor: Reactor, in group: HandlerGroup
  ) -> ServedConnections.Served? {
    adopt(accepted, on: reactor, limitedTo: group.server.limit).map { served.begin($0, in: group) }
  }

  /// Takes a connection that another reactor was to make. From here on it is served, so that no shutdown misses it.
  ///
  /// - Returns: nil also for one that comes too late.
  func receive(
    _ made: Result<Connection, MultiplexError>, in group: HandlerGroup
  ) -> ServedConnections.Served? {
    switch made {
    case .failure(let error): noteFailure(error)
    case .success(let connection) where !isClosed && !group.server.isCancelled:
      return served.begin(connection, in: group)
    // Whoever has closed the listener meanwhile knows nothing of it, and waits for the others only.
    case .success(let connection): connection.abort(because: .shutDown)
    }
    group.server.limit?.giveBack()
    return nil
  }

  /// Whether it is time to yield to other work, after a connection was accepted: the kernel may have accepted thousands.
  func endsShare() -> Bool {
    acceptedAtOnce += 1
    guard acceptedAtOnce >= Self.share else { return false }
    acceptedAtOnce = 0
    return true
  }

  func makeWaitID() -> WaitID { waitIDs.next() }

  /// Resumes with true when accepting should be tried again, with false when the wait was cancelled.
  ///
  /// - Parameter onlyOne: There is a place for one connection, and no more are to be accepted.
  func awaitConnection(_ id: WaitID, onlyOne: Bool, _ waiter: AnyWaiter<Bool>, isCancelled: Bool) {
    guard !isCancelled else { return waiter.resume(returning: false) }
    waiters.append(waiter, named: id)
    acceptedAtOnce = 0
    guard pauseTimer == nil else { return }
    do {
      // What others could accept isn't taken ahead of time: it would be lost with this listener.
      try acceptor.awaitConnection(onlyOne: onlyOne || isShared)
    } catch {
      beginPause(because: error)
    }
  }

  func acceptorHasConnection() {
    wakeAll()
  }

  /// Resumes with true when a connection has ended, with false when the wait was cancelled.
  func awaitVacancy(_ id: WaitID, _ waiter: AnyWaiter<Bool>, isCancelled: Bool) {
    guard !isCancelled else { return waiter.resume(returning: false) }
    waiters.append(waiter, named: id)
  }

  /// A vacancy has come about, with another listener perhaps.
  func endVacancyWait() {
    wakeAll()
  }

  func cancelWait(_ id: WaitID) {
    waiters.take(id)?.resume(returning: false)
    if waiters.isEmpty { acceptor.cancelWait() }
  }

  /// There is one at most in most programs; of several, one gets what has come, and the others wait again.
  private func wakeAll() {
    waiters.takeAll().resume(returning: true)
  }

  private func endPause() {
    if let pauseTimer { loop.cancel(pauseTimer) }
    pauseTimer = nil
    wakeAll()
  }

  // MARK: Serving

  func makeServer(limitedTo limit: ConnectionLimit?, over reactors: ReactorGroup?) -> ConnectionServer {
    ConnectionServer(makeWaitID(), limitedTo: limit, over: reactors)
  }

  /// A connection is served no more.
  func end(_ slot: ServedConnections.Slot) {
    served.end(slot)
    // There may be a descriptor to spare. A vacancy is announced by the limit, and nothing else is waited for: most
    // connections end without waking who accepts.
    if pauseTimer != nil { endPause() }
  }

  /// The task that serves was cancelled.
  func cancel(_ server: ConnectionServer) {
    served.cancel(server)
    cancelWait(server.id)
  }

  // MARK: Closing

  func close() {
    guard !isClosed else { return }
    isClosed = true
    // Closing alone wouldn't end it at once: a ring holds the socket until its next turn, and a child that is being made
    // until it is another program. Others who have it are to listen on.
    if !isShared { try? Kernel.shutdown(acceptor.rawDescriptor, ShutdownDirection.both.rawValue) }
    acceptor.close()
    observation?.stopped()
    // The file of a Unix socket outlives it. Whoever listens there by now keeps theirs.
    if !isShared, case .unix(let path) = address { removeFile(path) }
    endPause()
  }

  private func removeFile(_ path: String) {
    guard !UnixSocketFile.removeIfStaleWithoutWaiting(path) else { return }
    // Another process has the directory locked: that may take a second, which is too long for a loop.
    fileLeft = path
    removeFileLeft {}
  }

  /// Removes the file of a closed listener that couldn't be removed at once. If it can't be removed now either, it stays, as
  /// after a crash: the next listener there replaces it.
  func removeFileLeft(_ body: @escaping @Sendable () -> Void) {
    guard let fileLeft else { return body() }
    BlockingThreads.shared.run {
      try? UnixSocketFile.removeIfStale(fileLeft)
      body()
    } orElse: { _ in
      body()
    }
  }
}

extension AcceptedSocket {
  /// Makes a connection of it, on the reactor's thread.
  ///
  /// - Parameter address: Of the listener.
  func connection(at address: SocketAddress, on reactor: Reactor) throws(MultiplexError) -> Connection {
    try Connection(
      adopting: OwnedDescriptor(adopting: descriptor), peer: peerAddress, origin: .accepted(at: address), on: reactor)
  }
}
