internal import CMultiplex
package import SystemPackage

extension Socket {
  /// Starts connecting. When the socket becomes writable, ``finishConnecting()`` reports the outcome.
  ///
  /// Corresponding C functions: `socket`, `connect`.
  ///
  /// - Throws: Why the connection failed, if that is already known; ``MultiplexError/Reason/invalidArgument`` for a
  ///   path that is too long or contains a zero byte; ``MultiplexError/Reason/openFileLimit``; `EAGAIN` if the queue of
  ///   a Unix socket is full: try again in a moment.
  public static func connecting(to address: SocketAddress) throws(MultiplexError) -> Socket {
    let socket = try unconnected(for: address)
    try socket.beginConnecting(to: address)
    return socket
  }

  /// Opens a socket for an address without connecting it yet, to set options before ``beginConnecting(to:)``, or to
  /// connect it with a ``Ring``.
  ///
  /// Corresponding C function: `socket`.
  ///
  /// - Throws: ``MultiplexError/Reason/openFileLimit``; ``MultiplexError/Reason/invalidArgument`` for a path that is
  ///   too long or contains a zero byte.
  public static func unconnected(for address: SocketAddress) throws(MultiplexError) -> Socket {
    try Socket(family: address, peerAddress: address)
  }

  /// Starts connecting a socket that was made by ``unconnected(for:)``.
  ///
  ///     let socket = try Socket.unconnected(for: address)
  ///     try socket.set(.receiveBuffer, to: 1 << 20)
  ///     try socket.beginConnecting(to: address)
  ///
  /// Corresponding C function: `connect`.
  ///
  /// - Returns: Whether it is already connected. If not, ``finishConnecting()`` reports the outcome when the socket
  ///   becomes writable.
  /// - Throws: ``MultiplexError/Reason/closed``; why the connection failed, if that is already known; `EAGAIN` if the
  ///   queue of a Unix socket is full: try again in a moment.
  @discardableResult
  public func beginConnecting(to address: SocketAddress) throws(MultiplexError) -> Bool {
    _ = try requireOpen(for: "connect")
    do {
      try unsafe call("connect", on: address, Kernel.connect)
      return true
    } catch let error where error.errno == .nowInProgress || error.errno == .interrupted {
      // An interrupted connect continues in the background.
      return false
    }
  }

  /// Connects, and waits until the connection is established.
  ///
  /// - Parameters:
  ///   - address: An IP address with a port, or the path of a Unix socket.
  ///   - timeout: How long it may take; nil waits as long as the kernel does, which may be minutes, or without limit
  ///     for a Unix socket that accepts no connections; zero or less doesn't wait.
  /// - Throws: Why the connection failed; `timedOut` (ETIMEDOUT) when the time is up.
  public static func connected(to address: SocketAddress, timeout: Duration? = nil) throws(MultiplexError) -> Socket {
    let deadline = Deadline(after: timeout)
    let socket = try unconnected(for: address)
    while try !socket.hasBegunConnecting(to: address) {
      guard deadline.pause() else {
        throw socket.timedOut(
          in: "connect", advice: MultiplexError.advice(on: .tryAgain, from: "connect"))
      }
    }
    try socket.wait(for: .out, timeout: deadline.remaining, call: "connect")
    try socket.finishConnecting()
    return socket
  }

  /// Starts connecting, unless the queue of a Unix socket is full: only another attempt shows when it no longer is.
  ///
  /// - Returns: False if the queue is full.
  private func hasBegunConnecting(to address: SocketAddress) throws(MultiplexError) -> Bool {
    do {
      try beginConnecting(to: address)
      return true
    } catch let error where error.errno == .tryAgain {
      guard address.isUnix else { throw error }
      return false
    }
  }

  /// Looks a host up, and connects to the first of its addresses that answers.
  ///
  /// - Parameters:
  ///   - host: A name or an IP address, with a port. Its addresses are tried in the order in which they are found.
  ///   - timeout: How long each of the addresses may take; nil waits as long as the kernel does. The time to look a
  ///     name up isn't included: see ``HostPort/resolve(for:)``.
  /// - Throws: Why the connection to the last of the addresses failed, or ``MultiplexError/Reason/unknownAddress``.
  public static func connected(to host: HostPort, timeout: Duration? = nil) throws(MultiplexError) -> Socket {
    let addresses = try host.resolve(for: .connecting)
    for address in addresses.dropLast() {
      if let socket = try? connected(to: address, timeout: timeout) { return socket }
    }
    // A host has at least one address.
    return try connected(to: addresses[addresses.count - 1], timeout: timeout)
  }

  /// Reports the outcome of connecting, once the socket is writable.
  ///
  /// Corresponding C functions: `getsockopt` with `SO_ERROR`, `getpeername`, `getsockname`.
  ///
  /// - Throws: Why the connection failed, once; further calls throw `socketNotConnected` (ENOTCONN). `nowInProgress`
  ///   (EINPROGRESS) while the outcome isn't known yet. `connectionRefused` (ECONNREFUSED) also for a socket that the
  ///   kernel has connected to itself, which happens where nobody listens: close it.
  public func finishConnecting() throws(MultiplexError) {
    try throwPendingError()
    try checkPeer()
  }

  /// Refuses a connection of the socket to itself. If nobody listens at a port that the kernel gives to clients, it may
  /// give a client that very port, and TCP allows two ends to connect at the same time, or one end twice. The client
  /// would talk to itself, and the server couldn't listen there any more.
  ///
  /// - Throws: `connectionRefused` in that case; why the socket isn't connected.
  package func checkPeer() throws(MultiplexError) {
    guard let peer = try connectedPeer(), !peer.isUnix, try localAddress() == peer else { return }
    // Otherwise the port would stay occupied for a minute after the socket is closed.
    try? Kernel.resetOnClose(rawDescriptor)
    throw connectError(.connectionRefused)
  }

  /// Asks the kernel who the socket is connected to.
  private func connectedPeer() throws(MultiplexError) -> SocketAddress? {
    do {
      return try unsafe SocketAddress.written { (raw, length) throws(Errno) in
        try unsafe Kernel.getpeername(rawDescriptor, raw, length)
      }
    } catch {
      // The connection may have been reset between the two calls.
      try throwPendingError()
      let isInProgress = error == .socketNotConnected && !hasFailed
      throw connectError(isInProgress ? .nowInProgress : error)
    }
  }

  /// Throws the pending error, which the kernel reports once.
  private func throwPendingError() throws(MultiplexError) {
    let status = try value(of: .pendingError)
    guard status == 0 else { throw connectError(Errno(rawValue: status)) }
  }

  /// Whether the kernel has given up connecting.
  private var hasFailed: Bool {
    var set = PollSet()
    try? set.register(self, for: .out)
    let ready = (try? set.poll(timeout: .zero)) ?? []
    return ready.contains { !$0.events.isDisjoint(with: [.hangUp, .error]) }
  }

  /// The error for a failure to connect.
  package func connectError(_ errno: Errno) -> MultiplexError {
    MultiplexError(
      call: "connect", descriptor: fileDescriptor, subject: peerAddress?.description, errno: errno)
  }

  /// Waits until the socket is ready; a timeout of zero or less doesn't wait.
  func wait(for events: PollEvents, timeout: Duration?, call: String) throws(MultiplexError) {
    var set = PollSet()
    try set.register(self, for: events)
    guard try set.poll(timeout: timeout.map { max($0, .zero) }).isEmpty else { return }
    throw timedOut(in: call)
  }

  private func timedOut(in call: String, advice: String? = nil) -> MultiplexError {
    MultiplexError(
      call: call, descriptor: fileDescriptor, subject: peerAddress?.description, reason: .system, errno: .timedOut,
      advice: advice)
  }
}
