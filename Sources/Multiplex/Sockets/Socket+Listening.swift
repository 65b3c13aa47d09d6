internal import CMultiplex
internal import SystemPackage

extension Socket {
  /// How many connections may wait to be accepted by default: the usual limit of the kernel (net.core.somaxconn).
  public static let defaultBacklog: Int32 = 4096

  /// Listens at an address.
  ///
  /// A TCP port still held by connections in TIME_WAIT can be reused (`SO_REUSEADDR`); a port with a live listener
  /// can't. An IPv6 address accepts only IPv6 connections. A stale Unix socket file is replaced; any other file is left
  /// alone, and is an error. The file stays when the socket is closed: see ``UnixSocketFile/removeIfStale(_:)``. If
  /// several programs listen at the same path at the same time, one of them succeeds.
  ///
  /// Corresponding C functions: `socket`, `bind`, `listen`.
  ///
  /// - Parameters:
  ///   - address: Port 0 lets the kernel choose: see ``localAddress()``.
  ///   - backlog: How many connections may wait to be accepted; the kernel has its own limit (net.core.somaxconn).
  ///   - reusePort: Whether several sockets may listen at the address and share its connections (`SO_REUSEPORT`).
  /// - Throws: EADDRINUSE when the address is taken; EADDRNOTAVAIL when no interface has it; EACCES;
  ///   ``MultiplexError/Reason/invalidArgument`` for a path that is too long or contains a zero byte;
  ///   ``MultiplexError/Reason/openFileLimit``.
  public static func listening(
    on address: SocketAddress, backlog: Int32 = defaultBacklog, reusePort: Bool = false
  ) throws(MultiplexError) -> Socket {
    let socket = try Socket(family: address)
    if reusePort { try socket.set(.reusePort, to: true) }
    switch address {
    case .ipv4:
      try socket.set(.reuseAddress, to: true)
      try socket.listen(at: address, backlog)
    case .ipv6:
      try socket.set(.reuseAddress, to: true)
      try socket.set(.ipv6Only, to: true)
      try socket.listen(at: address, backlog)
    case .unix(let path):
      try UnixSocketFile.replaceIfStale(path) { () throws(MultiplexError) in try socket.listen(at: address, backlog) }
    }
    return socket
  }

  private func listen(at address: SocketAddress, _ backlog: Int32) throws(MultiplexError) {
    try unsafe call("bind", on: address, Kernel.bind)
    do throws(MultiplexError) {
      try unsafe call("listen", on: address) { (fd, _, _) throws(Errno) in try Kernel.listen(fd, backlog) }
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
      } catch {
        throw MultiplexError(call: "accept4", descriptor: descriptor, errno: error)
      }
    }
  }
}
