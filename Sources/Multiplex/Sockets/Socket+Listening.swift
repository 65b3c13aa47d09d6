internal import CMultiplex
internal import SystemPackage

extension Socket {
  /// Listens at an address.
  ///
  /// A TCP port that an earlier connection still occupies is taken all the same (`SO_REUSEADDR`); one that somebody
  /// listens on is not. An IPv6 address takes IPv6 connections only. The file of a Unix socket that nobody listens on
  /// any more is replaced; any other file is left alone, and is an error. The file stays when the socket is closed: see
  /// ``UnixSocketFile/removeIfDead(_:)``. Of several programs that take the same path at the same time one succeeds.
  ///
  /// Corresponding C functions: `socket`, `bind`, `listen`.
  ///
  /// - Parameters:
  ///   - address: Port 0 lets the kernel choose: see ``localAddress()``.
  ///   - backlog: How many connections may wait to be accepted; the kernel has a limit of its own (net.core.somaxconn).
  ///   - reusePort: Several sockets listen at the same address and share its connections (`SO_REUSEPORT`).
  public static func listening(
    on address: SocketAddress, backlog: Int32 = 4096, reusePort: Bool = false
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
      try UnixSocketFile.replaceIfDead(path) { () throws(MultiplexError) in try socket.listen(at: address, backlog) }
    }
    return socket
  }

  private func listen(at address: SocketAddress, _ backlog: Int32) throws(MultiplexError) {
    try unsafe call("bind", on: address, Kernel.bind)
    do throws(MultiplexError) {
      try unsafe call("listen", on: address) { (fd, _, _) throws(Errno) in try Kernel.listen(fd, backlog) }
    } catch {
      // The file is there by now, and nobody listens.
      if case .unix(let path) = address { try? Kernel.unlink(path) }
      throw error
    }
  }

  /// Takes the next waiting connection; nil if there is none now.
  ///
  /// Connections that were given up while they waited are passed over.
  ///
  /// Corresponding C function: `accept4`.
  ///
  /// - Throws: ``MultiplexError/Reason/openFileLimit`` and whatever else keeps the kernel from making a descriptor; the
  ///   connection goes on waiting, so a level-triggered listener stays ready: pause before trying again.
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
