public import Multiplex
internal import Synchronization

/// Accepts the connections to an address.
///
///     let listener = try await Listener.bind(to: "127.0.0.1:9999", on: reactor)
///     await listener.serve { connection in
///       while let chunk = try await connection.read() {
///         try await connection.write(chunk)
///       }
///     }
///
/// A listener is closed by ``close()`` or ``shutDown(within:closingIdleAfter:)``, or when the last reference is
/// released. The file of a Unix socket that it has bound is removed then.
@safe
public final class Listener: Sendable {
  /// The reactor that the listener, and all of its connections, belong to.
  public let reactor: Reactor
  /// Where it listens, with the port that the kernel chose if port 0 was requested.
  public let localAddress: SocketAddress
  /// Used only on the reactor's thread.
  nonisolated(unsafe) let core: ListenerCore
  private let wasClosed = Atomic<Bool>(false)

  init(_ core: ListenerCore, at address: SocketAddress, on reactor: Reactor) {
    unsafe self.core = core
    self.localAddress = address
    self.reactor = reactor
  }

  deinit {
    unsafe reactor.onLoop(core) { $0.close() }
  }

  /// Waits for the next connection.
  ///
  /// While the process or the system has no descriptor or memory to spare, connections wait in the kernel: the listener
  /// tries again ten times a second, or when one of the connections that it serves ends.
  ///
  /// - Returns: The connection; nil once the listener is closed.
  /// - Throws: `CancellationError`, immediately if the task is cancelled. No connection is lost.
  public func accept() async throws(CancellationError) -> Connection? {
    let result = await reactor.run { await self.acceptHere() }
    return try result.get()
  }

  private func acceptHere() async -> Result<Connection?, CancellationError> {
    while !CallingTask.isCurrentCancelled {
      switch unsafe core.acceptNow() {
      case .closed: return .success(nil)
      case .nothing, .full: guard await awaitConnection() else { return .failure(CancellationError()) }
      case .accepted(let accepted):
        guard let connection = unsafe core.adopt(accepted, on: reactor) else { continue }
        if unsafe core.share.spend() { await reactor.nextTurn() }
        return .success(connection)
      }
    }
    return .failure(CancellationError())
  }

  /// - Returns: False when the task was cancelled.
  private func awaitConnection() async -> Bool {
    let id = unsafe core.makeWaitID()
    return await reactor.suspend { waiter in
      unsafe core.awaitConnection(id, onlyOne: false, .task(waiter), isCancelled: Task.isCancelled)
    } onCancel: { [self] in
      unsafe core.cancelWait(id)
    }
  }

  /// Whether it is closed or shutting down: see ``ListenerProtocol/isClosed``.
  public var isClosed: Bool { wasClosed.load(ordering: .relaxed) }

  /// Stops accepting, from any thread. Existing connections continue.
  public func close() {
    wasClosed.store(true, ordering: .relaxed)
    reactor.onLoop { [self] in unsafe core.close() }
  }

  /// Stops accepting, and waits until the served connections have ended: see
  /// ``ListenerProtocol/shutDown(within:closingIdleAfter:)``.
  @discardableResult
  public func shutDown(within limit: Duration, closingIdleAfter idleTime: Duration?) async -> Int {
    close()
    return await reactor.run {
      if let idleTime { unsafe self.core.served.closeIdle(after: idleTime) }
      let unfinished = await Waiter.suspend { waiter in unsafe self.core.served.drain(within: limit, waiter) }
      // The process may end right after this.
      await Waiter<Void>.suspend { waiter in unsafe self.core.removeRemainingFile { waiter.resume(returning: ()) } }
      return unfinished
    }
  }
}

extension Listener: CustomStringConvertible {
  /// The address: "<listener at 127.0.0.1:9999>".
  public var description: String { "<listener at \(localAddress)>" }
}
