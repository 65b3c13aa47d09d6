public import Multiplex
internal import Synchronization
internal import SystemPackage

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

  private init(_ core: ListenerCore, at address: SocketAddress, on reactor: Reactor) {
    unsafe self.core = core
    self.localAddress = address
    self.reactor = reactor
  }

  deinit {
    nonisolated(unsafe) let core = unsafe core
    reactor.onLoop { unsafe core.close() }
  }

  /// Listens at an address.
  ///
  /// - Parameters:
  ///   - address: An IP address with a port, of which 0 lets the kernel choose; or the path of a Unix socket.
  ///   - reactor: What the listener and its connections are to belong to.
  ///   - reusePort: Several listeners, of several reactors, share the address and its connections (`SO_REUSEPORT`).
  /// - Throws: As `Socket.listening(on:backlog:reusePort:)` does.
  public static func bind(
    to address: SocketAddress, on reactor: Reactor, reusePort: Bool = false
  ) async throws(MultiplexError) -> Listener {
    try await bind(to: address, on: reactor, sharing: reusePort ? .joining : .none)
  }

  static func bind(
    to address: SocketAddress, on reactor: Reactor, sharing: PortSharing
  ) async throws(MultiplexError) -> Listener {
    let socket = try Socket.listening(on: address, reusePort: sharing == .joining)
    do throws(MultiplexError) {
      // From then on others may join: while it was bound, nobody else could be there.
      if sharing == .founding { try socket.set(.reusePort, to: 1) }
      return try await adopt(socket, isShared: false, on: reactor)
    } catch {
      socket.close()
      if case .unix(let path) = address { try? UnixSocketFile.removeIfDead(path) }
      throw error
    }
  }

  /// Makes a listener of a socket that listens already, which it takes over: one that the process was started with, or
  /// one with options of its own.
  ///
  ///     let socket = try Socket.listening(on: address, backlog: 16)
  ///     let listener = try await Listener.adopt(socket, on: reactor)
  ///
  /// The socket becomes non-blocking: those of systemd, for example, aren't. Others who have it listen on when this listener
  /// is closed, and the file of a Unix socket stays.
  ///
  /// - Throws: `MultiplexError.Reason.invalidArgument` for a socket that doesn't listen, or is no stream, and `ENOTSOCK`: it
  ///   is left as it was. What keeps the reactor from waiting for it; the socket is closed then.
  public static func adopt(_ socket: Socket, on reactor: Reactor) async throws(MultiplexError) -> Listener {
    try socket.check(for: .listener, in: "Listener.adopt")
    return try await adopt(socket, isShared: true, on: reactor)
  }

  private static func adopt(
    _ socket: Socket, isShared: Bool, on reactor: Reactor
  ) async throws(MultiplexError) -> Listener {
    try socket.setNonBlocking()
    // Its connections inherit it. Unix sockets have no such option, and do without.
    try? socket.set(.noDelay, to: 1)
    let local = try socket.localAddress()
    // A closure can't consume what it captures.
    let descriptor = try socket.take().release()
    return try await reactor.run { () async throws(MultiplexError) in
      let acceptor = try reactor.loop.driver.makeAcceptor(OwnedDescriptor(adopting: descriptor))
      let core = ListenerCore(acceptor, at: local, isShared: isShared, on: reactor.loop)
      return Listener(core, at: local, on: reactor)
    }
  }

  /// Listens at a numeric address with a port: "127.0.0.1:9999", "[::1]:0". A `HostPort` has a name looked up.
  ///
  /// - Throws: `MultiplexError.Reason.unknownAddress` for anything else; as `Socket.listening(on:backlog:reusePort:)`
  ///   does.
  public static func bind(to text: String, on reactor: Reactor) async throws(MultiplexError) -> Listener {
    try await bind(to: SocketAddress(text), on: reactor)
  }

  /// Looks a host up, and listens at the first of its addresses that this machine has. An empty host, or "*", is every
  /// IPv4 address of this machine; ``ListenerGroup/bind(toAllOf:on:)`` listens at the IPv6 addresses too.
  ///
  /// - Throws: What the first of those addresses came to, which may be taken;
  ///   `MultiplexError.Reason.unknownAddress`.
  public static func bind(
    to host: HostPort, on reactor: Reactor, reusePort: Bool = false
  ) async throws -> Listener {
    let addresses = try await host.resolve(for: .listening, on: reactor)
    for address in addresses.dropLast() {
      do throws(MultiplexError) {
        return try await bind(to: address, on: reactor, reusePort: reusePort)
      } catch {
        guard error.saysAddressIsMissing else { throw error }
      }
    }
    // A host has at least one address.
    return try await bind(to: addresses[addresses.count - 1], on: reactor, reusePort: reusePort)
  }

  /// Waits for the next connection.
  ///
  /// While the process or the system has no descriptor or memory to spare, the connections wait with it: it tries again
  /// ten times a second, or when a connection ends that it serves.
  ///
  /// - Returns: The connection; nil once the listener is closed.
  /// - Throws: `CancellationError`, at once when the task is cancelled. No connection is lost.
  public func accept() async throws -> Connection? {
    let result = await reactor.run { await self.acceptHere() }
    return try result.get()
  }

  private func acceptHere() async -> Result<Connection?, any Error> {
    while true {
      switch unsafe core.acceptNow(limitedTo: nil) {
      case .closed: return .success(nil)
      case .nothing, .full: guard await awaitConnection() else { return .failure(CancellationError()) }
      case .accepted(let accepted):
        guard let connection = unsafe core.adopt(accepted, on: reactor, limitedTo: nil) else { continue }
        return .success(connection)
      }
    }
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
      return await Waiter.suspend { waiter in unsafe self.core.served.drain(within: limit, waiter) }
    }
  }
}

extension Listener: CustomStringConvertible {
  /// The address: "<listener at 127.0.0.1:9999>".
  public var description: String { "<listener at \(localAddress)>" }
}
