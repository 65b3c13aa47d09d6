public import Multiplex
internal import SystemPackage

extension Listener {
  /// Listens at an address.
  ///
  /// - Parameters:
  ///   - address: An IP address with a port, where port 0 lets the kernel choose; or the path of a Unix socket.
  ///   - reactor: The reactor that the listener and its connections belong to.
  ///   - backlog: How many connections may wait to be accepted; the kernel has its own limit (net.core.somaxconn).
  ///   - reusePort: Whether several listeners, of several reactors, share the address and its connections
  ///     (`SO_REUSEPORT`).
  /// - Throws: As `Socket.listening(on:backlog:reusePort:dualStack:)` does.
  public static func bind(
    to address: SocketAddress, on reactor: Reactor, backlog: Int32 = Socket.defaultBacklog, reusePort: Bool = false
  ) async throws(MultiplexError) -> Listener {
    try await bind(to: address, on: reactor, backlog: backlog, sharing: reusePort ? .joining : .none)
  }

  /// Looks up a host, and listens at the first of its addresses that this machine has. An empty host, or "*", means
  /// every IPv4 address of this machine; ``ListenerGroup/bind(toAllOf:on:backlog:)`` includes the IPv6 addresses.
  ///
  /// - Throws: As ``bind(to:on:backlog:reusePort:)-(SocketAddress,_,_,_)`` does; `MultiplexError.Reason.unknownAddress`
  ///   with the resolver's message; `CancellationError`.
  public static func bind(
    to host: HostPort, on reactor: Reactor, backlog: Int32 = Socket.defaultBacklog, reusePort: Bool = false
  ) async throws -> Listener {
    try await host.withFirstUsableAddress(on: reactor) { (address) async throws(MultiplexError) in
      try await bind(to: address, on: reactor, backlog: backlog, reusePort: reusePort)
    }
  }

  /// Listens at a host and port written as text, "127.0.0.1:9999", "[::1]:0", "localhost:http"; or at the path of a
  /// Unix socket, "unix:/run/server.sock".
  ///
  /// - Throws: As ``bind(to:on:backlog:reusePort:)-(HostPort,_,_,_)`` does; `MultiplexError.Reason.unknownAddress` for
  ///   text that is neither.
  public static func bind(
    to text: String, on reactor: Reactor, backlog: Int32 = Socket.defaultBacklog, reusePort: Bool = false
  ) async throws -> Listener {
    if let path = try SocketAddress.unix(in: text) {
      return try await bind(to: path, on: reactor, backlog: backlog, reusePort: reusePort)
    }
    return try await bind(to: HostPort(text), on: reactor, backlog: backlog, reusePort: reusePort)
  }

  static func bind(
    to address: SocketAddress, on reactor: Reactor, backlog: Int32, sharing: PortSharing
  ) async throws(MultiplexError) -> Listener {
    let socket = try await open(address, backlog: backlog, reusePort: sharing == .joining)
    do throws(MultiplexError) {
      // Others may join from now on. While it was bound without the option, nobody else could be there.
      if sharing == .founding { try socket.set(.reusePort, to: true) }
      return try await adopt(socket, isShared: false, on: reactor)
    } catch {
      socket.close()
      if case .unix(let path) = address { await remove(path) }
      throw error
    }
  }

  /// Opens the socket: for a Unix socket on another thread, as others may have locked its directory for a second.
  private static func open(
    _ address: SocketAddress, backlog: Int32, reusePort: Bool
  ) async throws(MultiplexError) -> Socket {
    guard address.isUnix else {
      return try Socket.listening(on: address, backlog: backlog, reusePort: reusePort)
    }
    let descriptor = try await BlockingThreads.socketFiles.perform { () throws(MultiplexError) in
      try Socket.listening(on: address, backlog: backlog, reusePort: reusePort).take().release()
    }
    return Socket(adopting: OwnedDescriptor(adopting: descriptor))
  }

  /// Removes the file of a Unix socket that was closed, on another thread, for the same reason.
  private static func remove(_ path: String) async {
    try? await BlockingThreads.socketFiles.perform { () throws(MultiplexError) in
      try UnixSocketFile.removeIfStale(path)
    }
  }

  /// Makes a listener of a socket that already listens, and takes ownership of it: one that the process was started
  /// with, or one with options of its own.
  ///
  ///     let socket = try Socket.listening(on: address, backlog: 16)
  ///     let listener = try await Listener.adopt(socket, on: reactor)
  ///
  /// The socket becomes non-blocking (systemd's sockets aren't, for example). Other processes that have it go on
  /// listening when this listener is closed, and the file of a Unix socket stays.
  ///
  /// - Throws: `MultiplexError.Reason.invalidArgument` for a socket that doesn't listen or isn't a stream, and
  ///   `ENOTSOCK`: the socket is left unchanged. Why the reactor can't wait for the socket, which is closed then.
  public static func adopt(_ socket: Socket, on reactor: Reactor) async throws(MultiplexError) -> Listener {
    try socket.check(for: .listener, in: "Listener.adopt")
    return try await adopt(socket, isShared: true, on: reactor)
  }

  private static func adopt(
    _ socket: Socket, isShared: Bool, on reactor: Reactor
  ) async throws(MultiplexError) -> Listener {
    try socket.setNonBlocking()
    // Its connections inherit this. Unix sockets don't have this option.
    try? socket.set(.noDelay, to: true)
    let local = try socket.localAddress()
    // A closure can't consume what it captures.
    let descriptor = try socket.take().release()
    return try await reactor.run { () async throws(MultiplexError) in
      let acceptor = try reactor.loop.driver.makeAcceptor(OwnedDescriptor(adopting: descriptor))
      let core = ListenerCore(acceptor, at: local, isShared: isShared, on: reactor.loop)
      return Listener(core, at: local, on: reactor)
    }
  }
}
