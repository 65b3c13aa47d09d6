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

  /// How long to pause when there is no descriptor or memory for a connection: it goes on waiting in the kernel, and
  /// trying at once would spin.
  private static let pause = Duration.milliseconds(100)

  private let acceptor: any Acceptor
  private let address: SocketAddress
  private unowned let loop: EventLoop

  private(set) var isClosed = false
  /// The connections that are served.
  private(set) var connections: [ObjectIdentifier: Connection] = [:]
  /// The task that accepts: it waits for a connection, for a vacancy, or for the end of a pause.
  private var waiter: Waiter<Bool>?
  private var pauseTimer: Timer?
  /// The task that waits until no connection is left.
  private var drain: (waiter: Waiter<Int>, timer: Timer, aborted: Int)?

  init(_ acceptor: any Acceptor, at address: SocketAddress, on loop: EventLoop) {
    self.acceptor = acceptor
    self.address = address
    self.loop = loop
  }

  // MARK: Accepting

  func acceptNow() -> Accepted {
    if isClosed { return .closed }
    guard pauseTimer == nil else { return .nothing }
    do {
      guard let socket = try acceptor.acceptNow() else { return .nothing }
      return .connection(socket)
    } catch {
      pauseTimer = loop.schedule(at: .now + Self.pause) { [weak self] in self?.endPause() }
      return .nothing
    }
  }

  /// Makes a connection of an accepted socket.
  func adopt(_ socket: Socket, on reactor: Reactor) throws(MultiplexError) -> Connection {
    let peer = socket.peerAddress
    return Connection(try loop.driver.makeChannel(socket.take()), peer: peer, on: reactor)
  }

  /// Goes on with true when accepting is worth another try, with false when it was cancelled.
  func await(_ waiter: Waiter<Bool>, isCancelled: Bool) {
    guard !isCancelled else { return waiter.resume(returning: false) }
    self.waiter = waiter
    guard pauseTimer == nil else { return }
    acceptor.awaitConnection { [weak self] in self?.wake(true) }
  }

  /// Goes on with true when a connection has ended, with false when it was cancelled.
  func awaitVacancy(_ waiter: Waiter<Bool>, isCancelled: Bool) {
    guard !isCancelled else { return waiter.resume(returning: false) }
    self.waiter = waiter
  }

  /// A vacancy has come about, with another listener perhaps.
  func endVacancyWait() {
    wake(true)
  }

  func cancelWait() {
    acceptor.cancelWait()
    wake(false)
  }

  private func wake(_ goesOn: Bool) {
    let waiter = self.waiter
    self.waiter = nil
    waiter?.resume(returning: goesOn)
  }

  private func endPause() {
    if let pauseTimer { loop.cancel(pauseTimer) }
    pauseTimer = nil
    wake(true)
  }

  // MARK: Serving

  func begin(_ connection: Connection) {
    connections[ObjectIdentifier(connection)] = connection
  }

  func end(_ connection: Connection) {
    connections[ObjectIdentifier(connection)] = nil
    // There is room for another, and perhaps a descriptor to spare.
    endPause()
    if connections.isEmpty { endDrain() }
  }

  // MARK: Closing

  func close() {
    guard !isClosed else { return }
    isClosed = true
    acceptor.close()
    // The file of a Unix socket outlives it. Whoever listens there by now keeps theirs.
    if case .unix(let path) = address { try? UnixSocketFile.removeIfDead(path) }
    endPause()
  }

  /// Goes on once no connection is left, with the number of those that were closed when the time was up.
  func drain(within limit: Duration, _ waiter: Waiter<Int>) {
    guard !connections.isEmpty, drain == nil else { return waiter.resume(returning: 0) }
    let timer = loop.schedule(at: .now + limit) { [weak self] in self?.abortAll() }
    drain = (waiter, timer, 0)
  }

  private func abortAll() {
    drain?.aborted = connections.count
    for connection in connections.values { connection.abort() }
  }

  private func endDrain() {
    guard let drain else { return }
    self.drain = nil
    loop.cancel(drain.timer)
    drain.waiter.resume(returning: drain.aborted)
  }
}
