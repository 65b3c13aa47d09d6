public import Multiplex
internal import Synchronization

/// Takes the connections that come to an address.
///
///     let listener = try await Listener.bind(to: "127.0.0.1:9999", on: reactor)
///     await listener.serve { connection in
///       while let chunk = try await connection.read() {
///         try await connection.write(chunk)
///       }
///     }
///
/// A listener is closed by ``close()`` or ``shutDown(within:closingIdleAfter:)``, or when the last reference is gone. The
/// file of a Unix socket that it has bound is removed then.
@safe
public final class Listener: Sendable {
  /// The reactor that the listener, and all of its connections, belong to.
  public let reactor: Reactor
  /// Where it listens, with the port that the kernel chose where port 0 was asked for.
  public let localAddress: SocketAddress
  /// Reached on the reactor's thread alone.
  nonisolated(unsafe) let core: ListenerCore
  private let wasClosed = Atomic<Bool>(false)

  init(_ core: ListenerCore, at address: SocketAddress, on reactor: Reactor) {
    unsafe self.core = core
    self.localAddress = address
    self.reactor = reactor
  }

  deinit {
    nonisolated(unsafe) let core = unsafe core
    reactor.onLoop { unsafe core.close() }
  }

  /// Waits for the next connection.
  ///
  /// While the process or the system has no descriptor or memory to spare, the connections wait with it: it tries again
  /// ten times a second, or when a connection ends that it serves.
  ///
  /// - Returns: The connection; nil once the listener is closed.
  /// - Throws: `CancellationError`, at once when the task is cancelled. No connection is lost.
  public func accept() async throws(CancellationError) -> Connection? {
    let result = await reactor.run { await self.acceptHere() }
    return try result.get()
  }

  private func acceptHere() async -> Result<Connection?, CancellationError> {
    while !CallingTask.isCurrentCancelled {
      switch unsafe core.acceptNow(limitedTo: nil) {
      case .closed: return .success(nil)
      case .nothing, .full: guard await awaitConnection() else { return .failure(CancellationError()) }
      case .accepted(let accepted):
        guard let connection = unsafe core.adopt(accepted, on: reactor, limitedTo: nil) else { continue }
        if unsafe core.endsShare() { await reactor.nextTurn() }
        return .success(connection)
      }
    }
    return .failure(CancellationError())
  }

  /// - Returns: False when the task was cancelled.
  private func awaitConnection() async -> Bool {
    let id = unsafe core.makeWaitID()
    return await withTaskCancellationHandler {
      await Waiter.suspend { waiter in
        unsafe core.awaitConnection(id, onlyOne: false, .task(waiter), isCancelled: Task.isCancelled)
      }
    } onCancel: {
      reactor.loop.perform { [self] in unsafe core.cancelWait(id) }
    }
  }

  /// Whether it accepts no more: see ``ListenerProtocol/isClosed``.
  public var isClosed: Bool { wasClosed.load(ordering: .relaxed) }

  /// Accepts no more, from any thread. The connections go on.
  public func close() {
    wasClosed.store(true, ordering: .relaxed)
    reactor.onLoop { [self] in unsafe core.close() }
  }

  /// Accepts no more, and waits until the connections that are served have ended: see
  /// ``ListenerProtocol/shutDown(within:closingIdleAfter:)``.
  @discardableResult
  public func shutDown(within limit: Duration, closingIdleAfter rest: Duration?) async -> Int {
    close()
    return await reactor.run {
      if let rest { unsafe self.core.served.closeResting(after: rest) }
      let unfinished = await Waiter.suspend { waiter in unsafe self.core.served.drain(within: limit, waiter) }
      // The process may end next.
      await Waiter<Void>.suspend { waiter in unsafe self.core.removeFileLeft { waiter.resume(returning: ()) } }
      return unfinished
    }
  }
}

extension Listener: CustomStringConvertible {
  /// The address: "<listener at 127.0.0.1:9999>".
  public var description: String { "<listener at \(localAddress)>" }
}
