internal import CMultiplex
internal import SystemPackage

extension Socket {
  /// How many connections may wait to be accepted by default: the usual limit of the kernel (net.core.somaxconn).
  public static let defaultBacklog: Int32 = 4096

  /// Listens at an address.
  ///
  /// A TCP port still held by connections in TIME_WAIT can be reused (`SO_REUSEADDR`); a port with a live listener
  /// can't. A stale Unix socket file is replaced; any other file is left alone, and is an error. The file stays when
  /// the socket is closed: see ``UnixSocketFile/removeIfStale(_:)``. If several programs listen at the same path at the
  /// same time, one of them succeeds. To set other options first, see ``unbound(for:)``.
  ///
  /// Corresponding C functions: `socket`, `bind`, `listen`.
  ///
  /// - Parameters:
  ///   - address: Port 0 lets the kernel choose: see ``localAddress()``.
  ///   - backlog: How many connections may wait to be accepted; the kernel has its own limit (net.core.somaxconn).
  ///   - reusePort: Whether several sockets may listen at the address and share its connections (`SO_REUSEPORT`).
  ///   - dualStack: Whether a socket at the IPv6 address `::` accepts IPv4 connections too, whose peers have addresses
  ///     such as `::ffff:127.0.0.1`. No effect on sockets that aren't of IPv6.
  /// - Throws: EADDRINUSE when the address is taken; EADDRNOTAVAIL when no interface has it; EACCES;
  ///   ``MultiplexError/Reason/invalidArgument`` for a path that is too long or contains a zero byte;
  ///   ``MultiplexError/Reason/openFileLimit``.
  public static func listening(
    on address: SocketAddress, backlog: Int32 = defaultBacklog, reusePort: Bool = false, dualStack: Bool = false
  ) throws(MultiplexError) -> Socket {
    let socket = try unbound(for: address)
    if reusePort { try socket.set(.reusePort, to: true) }
    switch address {
    case .ipv4:
      try socket.set(.reuseAddress, to: true)
      try socket.listen(at: address, backlog)
    case .ipv6:
      try socket.set(.reuseAddress, to: true)
      try socket.set(.ipv6Only, to: !dualStack)
      try socket.listen(at: address, backlog)
    case .unix(let path):
      try UnixSocketFile.replaceIfStale(path) { () throws(MultiplexError) in try socket.listen(at: address, backlog) }
    }
    return socket
  }

  /// Opens a socket of an address's family, to set options before ``bind(to:)`` and ``listen(backlog:)``.
  ///
  ///     let socket = try Socket.unbound(for: address)
  ///     try socket.set(.reuseAddress, to: true)
  ///     try socket.set(.receiveBuffer, to: 1 << 20)
  ///     try socket.bind(to: address)
  ///     try socket.listen()
  ///
  /// Corresponding C function: `socket`.
  ///
  /// - Throws: ``MultiplexError/Reason/openFileLimit``; ``MultiplexError/Reason/invalidArgument`` for a path that is
  ///   too long or contains a zero byte.
  public static func unbound(for address: SocketAddress) throws(MultiplexError) -> Socket {
    try Socket(family: address)
  }

  /// Gives a socket its own address: one to listen at, or to connect from, before ``beginConnecting(to:)``.
  ///
  /// It sets no options, and replaces no Unix socket file: see ``listening(on:backlog:reusePort:dualStack:)``.
  ///
  /// Corresponding C function: `bind`.
  ///
  /// - Parameter address: Port 0 lets the kernel choose: see ``localAddress()``.
  /// - Throws: ``MultiplexError/Reason/closed``; EADDRINUSE when the address is taken, or the path is a file's;
  ///   EADDRNOTAVAIL when no interface has it; EACCES; ``MultiplexError/Reason/invalidArgument`` for a socket that has
  ///   an address already.
  public func bind(to address: SocketAddress) throws(MultiplexError) {
    _ = try requireOpen(for: "bind")
    try unsafe call("bind", on: address, Kernel.bind)
  }

  /// Starts listening: from now on, connections can be accepted.
  ///
  /// Corresponding C function: `listen`.
  ///
  /// - Parameter backlog: How many connections may wait to be accepted; the kernel has its own limit
  ///   (net.core.somaxconn).
  /// - Throws: ``MultiplexError/Reason/closed``; EADDRINUSE when another socket listens at the address.
  public func listen(backlog: Int32 = defaultBacklog) throws(MultiplexError) {
    let descriptor = try requireOpen(for: "listen")
    // The address is looked up only for an error.
    try calling(
      "listen", on: descriptor, for: (try? localAddress())?.description, Kernel.listen(descriptor.rawValue, backlog))
  }

  private func listen(at address: SocketAddress, _ backlog: Int32) throws(MultiplexError) {
    try bind(to: address)
    do throws(MultiplexError) {
      try listen(backlog: backlog)
    } catch {
      // By now the file exists, and nobody listens.
      if case .unix(let path) = address { try? Kernel.unlink(path) }
      throw error
    }
  }

  /// Takes the next waiting connection; nil if there is none now.
  ///
  /// Connections that were aborted while they waited are skipped.
  ///
  /// Corresponding C function: `accept4`.
  ///
  /// - Throws: ``MultiplexError/Reason/closed``; ``MultiplexError/Reason/openFileLimit``, or why else the kernel can't
  ///   make a descriptor. The connection goes on waiting, so a level-triggered listener stays ready: pause before
  ///   trying again.
  public func accept() throws(MultiplexError) -> Socket? {
    try acceptDescriptor().map { Socket(adopting: $0) }
  }

  /// Accepts as ``accept()`` does, without making an object.
  package func acceptDescriptor() throws(MultiplexError) -> AcceptedSocket? {
    let descriptor = try requireOpen(for: "accept4")
    while true {
      do {
        var accepted = noDescriptor
        let peer = try unsafe SocketAddress.written { (raw, length) throws(Errno) in
          accepted = try unsafe Kernel.accept(descriptor.rawValue, raw, length)
        }
        return AcceptedSocket(accepted, peerAddress: peer)
      } catch .tryAgain {
        return nil
      } catch let error where error.isTransientAcceptError {
        continue
      } catch let error where error.isOpenFileLimit && !hasWaitingConnection {
        // The kernel takes a descriptor before it looks for a connection.
        return nil
      } catch {
        throw MultiplexError(call: "accept4", descriptor: descriptor, errno: error)
      }
    }
  }

  /// Whether the kernel has a connection that could be accepted.
  package var hasWaitingConnection: Bool { !Readiness.current(of: fileDescriptor, for: .read).isEmpty }
}
