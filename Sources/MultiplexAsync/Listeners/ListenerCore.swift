internal import Multiplex

/// A listener's state on its reactor's thread: the socket, the waits for a connection, and the connections that it
/// serves.
final class ListenerCore: AcceptorDelegate {
  /// The result of an attempt to accept.
  enum Attempt {
    /// It holds a place within the limit.
    case accepted(AcceptedSocket)
    /// No connection is pending, or there are no resources for one.
    case nothing
    /// The limit has no place for a connection.
    case full
    case closed
  }

  /// How long to pause when there is no descriptor or memory for a connection: it keeps waiting in the kernel, and
  /// trying again immediately would spin.
  private static let pause = Duration.milliseconds(100)
  /// The most connections to accept while closing: clients that go on connecting must not keep it open.
  private static let maximumLastConnections = 4096

  private let acceptor: any Acceptor
  private let address: SocketAddress
  /// Whether others may go on listening when this is closed.
  private let isShared: Bool
  private unowned let loop: EventLoop
  private let observation: ListenerObservation?

  private(set) var isClosed = false
  /// The file of a Unix socket that may still exist after closing.
  private var remainingFile: String?
  let served: ServedConnections
  /// The calls of `serve` that haven't returned.
  private var servers: [ConnectionServer] = []
  /// The waits of accepting tasks: for a connection, for a place, or for the end of a pause.
  private var waiters = WaiterList<Bool>()
  private var waitIDs = WaitIDs()
  private var pauseTimer: Timer?
  /// Limits connections accepted without a wait: the kernel may have accepted thousands ahead.
  var share = TaskShare()

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

  /// Accepts a connection for a server, without waiting.
  func acceptNow(for server: ConnectionServer) -> Attempt {
    if isClosed { return served.takeLast(for: server).map { .accepted($0) } ?? .closed }
    guard let limit = server.limit else { return acceptNow() }
    guard limit.acquire() else { return .full }
    let attempt = acceptNow()
    // Others would lack a place that is held while nothing arrives.
    if case .nothing = attempt { limit.release() }
    return attempt
  }

  /// Accepts a connection without waiting.
  func acceptNow() -> Attempt {
    if isClosed { return .closed }
    guard pauseTimer == nil else { return .nothing }
    do {
      guard let accepted = try acceptor.acceptNow() else { return .nothing }
      served.expect()
      return .accepted(accepted)
    } catch {
      beginPause(because: error)
      return .nothing
    }
  }

  private func beginPause(because error: MultiplexError) {
    noteFailure(error)
    pauseTimer = loop.schedule(at: .now + Self.pause) { [weak self] in self?.endPause() }
  }

  /// Reports that a connection couldn't be accepted, or couldn't be kept.
  private func noteFailure(_ error: MultiplexError) {
    observation?.acceptFailed(error)
  }

  /// Makes a connection of an accepted socket.
  ///
  /// - Returns: nil for one that can't be waited for: it is lost, but the listener isn't.
  func adopt(_ accepted: AcceptedSocket, on reactor: Reactor) -> Connection? {
    defer { served.settle() }
    return make(accepted, on: reactor, limitedTo: nil)
  }

  private func make(_ accepted: AcceptedSocket, on reactor: Reactor, limitedTo limit: ConnectionLimit?) -> Connection? {
    do {
      return try accepted.connection(at: address, on: reactor)
    } catch {
      noteFailure(error)
      limit?.release()
      return nil
    }
  }

  /// Makes a connection of an accepted socket, and begins to serve it.
  ///
  /// - Returns: nil as with ``adopt(_:on:)``; the place within the limit is free again then.
  func adopt(
    _ accepted: AcceptedSocket, on reactor: Reactor, in group: HandlerGroup
  ) -> ServedConnections.Served? {
    defer { served.settle() }
    return make(accepted, on: reactor, limitedTo: group.server.limit).map { served.begin($0, in: group) }
  }

  /// Receives a connection made by another reactor, for which its group was told to begin. From here on it is served,
  /// so that no shutdown misses it.
  ///
  /// - Returns: nil if it couldn't be made, and also if it is too late.
  func receive(
    _ made: Result<Connection, MultiplexError>, in group: HandlerGroup
  ) -> ServedConnections.Served? {
    defer { served.settle() }
    switch made {
    case .failure(let error): noteFailure(error)
    case .success(let connection) where !served.isOver && !group.server.isCancelled:
      return served.add(connection, in: group)
    case .success(let connection): connection.abort(because: .shutDown)
    }
    group.end()
    return nil
  }

  func makeWaitID() -> WaitID { waitIDs.next() }

  /// Resumes with true when accepting should be tried again; with false when the wait was cancelled.
  ///
  /// - Parameter onlyOne: Whether there is room for only one connection, so that no more must be accepted.
  func awaitConnection(_ id: WaitID, onlyOne: Bool, _ waiter: AnyWaiter<Bool>, isCancelled: Bool) {
    guard !isCancelled else { return waiter.resume(returning: false) }
    waiters.append(waiter, named: id)
    share.reset()
    guard pauseTimer == nil else { return }
    do {
      // Connections that others could accept aren't accepted ahead of time: they would be lost with this listener.
      try acceptor.awaitConnection(onlyOne: onlyOne || isShared)
    } catch {
      beginPause(because: error)
    }
  }

  func acceptorHasConnection() {
    wakeAll()
  }

  /// Resumes with true when a connection has ended; with false when the wait was cancelled.
  func awaitAvailability(_ id: WaitID, _ waiter: AnyWaiter<Bool>, isCancelled: Bool) {
    guard !isCancelled else { return waiter.resume(returning: false) }
    waiters.append(waiter, named: id)
  }

  /// A place has become available, perhaps through another listener.
  func endAvailabilityWait() {
    wakeAll()
  }

  func cancelWait(_ id: WaitID) {
    waiters.take(id)?.resume(returning: false)
    if waiters.isEmpty { acceptor.cancelWait() }
  }

  /// Most programs have one waiter at most; of several, one gets the connection, and the others wait again.
  private func wakeAll() {
    waiters.takeAll().resume(returning: true)
  }

  private func endPause() {
    if let pauseTimer { loop.cancel(pauseTimer) }
    pauseTimer = nil
    // Never immediately: a user's call may have caused this, and what accepts without a task calls the user in turn.
    nonisolated(unsafe) let core = self
    loop.perform { unsafe core.wakeAll() }
  }

  // MARK: Serving

  func makeServer(limitedTo limit: ConnectionLimit?, over reactors: ReactorGroup?) -> ConnectionServer {
    let server = ConnectionServer(makeWaitID(), limitedTo: limit, over: reactors)
    servers.append(server)
    return server
  }

  /// The call of `serve` returns.
  func remove(_ server: ConnectionServer) {
    servers.removeAll { $0 === server }
  }

  /// Ends the service of a connection.
  func end(_ slot: ServedConnections.Slot) {
    served.end(slot)
    // There may be a descriptor to spare. The limit announces available places, and nothing else is waited for: most
    // connections end without waking an accepting task.
    if pauseTimer != nil { endPause() }
  }

  /// The task of the server was cancelled.
  func cancel(_ server: ConnectionServer) {
    served.cancel(server)
    cancelWait(server.id)
  }

  // MARK: Closing

  func close() {
    guard !isClosed else { return }
    isClosed = true
    acceptLast()
    // Closing wouldn't end it immediately: a ring holds the socket until its next turn, and a forked child holds it
    // until it executes another program. If the socket is shared, others must be able to go on listening.
    if !isShared { try? Kernel.shutdown(acceptor.rawDescriptor, ShutdownDirection.both.rawValue) }
    acceptor.close()
    observation?.stopped()
    // The file of a Unix socket isn't removed by closing. If somebody else listens there by now, they keep their file.
    if !isShared, case .unix(let path) = address { removeFile(path) }
    endPause()
  }

  /// Accepts what the kernel has already connected, as far as there are places: closing would reset these clients, who
  /// have no reason to try elsewhere. Of a shared socket, only what nobody else can accept any more.
  private func acceptLast() {
    acceptor.stopAccepting()
    var count = 0
    for server in servers where !server.isCancelled {
      while count < Self.maximumLastConnections, server.limit?.acquire() ?? true {
        guard let accepted = nextLast() else {
          server.limit?.release()
          return
        }
        count += 1
        served.keepLast(accepted, for: server)
      }
    }
  }

  private func nextLast() -> AcceptedSocket? {
    if let accepted = acceptor.takeAccepted() { return accepted }
    return isShared ? nil : try? acceptor.acceptPending()
  }

  private func removeFile(_ path: String) {
    guard !UnixSocketFile.removeIfStaleWithoutWaiting(path) else { return }
    // Another process has locked the directory: that may take a second, which is too long for a loop.
    remainingFile = path
    removeRemainingFile {}
  }

  /// Removes the file of a closed listener that couldn't be removed immediately. If it still can't be, it stays, as
  /// after a crash: the next listener there replaces it.
  func removeRemainingFile(_ body: @escaping @Sendable () -> Void) {
    guard let remainingFile else { return body() }
    BlockingThreads.socketFiles.run {
      try? UnixSocketFile.removeIfStale(remainingFile)
      body()
    } orElse: { _ in
      body()
    }
  }
}
