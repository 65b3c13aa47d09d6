package import SystemPackage

extension Socket {
  /// Begins to connect. When the socket is writable the outcome is known: ``finishConnecting()`` tells it.
  ///
  /// Corresponding C functions: `socket`, `connect`.
  public static func connecting(to address: SocketAddress) throws(MultiplexError) -> Socket {
    let socket = try unconnected(for: address)
    _ = try socket.beginConnecting(to: address)
    return socket
  }

  /// Opens a socket that can be connected to an address, and isn't yet: to set options before, or to connect it with a
  /// ``Ring``.
  ///
  /// Corresponding C function: `socket`.
  public static func unconnected(for address: SocketAddress) throws(MultiplexError) -> Socket {
    try Socket(family: address, peerAddress: address)
  }

  /// - Returns: Whether it is connected by now. If not, ``finishConnecting()`` tells, when the socket is writable.
  package func beginConnecting(to address: SocketAddress) throws(MultiplexError) -> Bool {
    do {
      try unsafe address.withSockaddr { (raw, length) throws(Errno) in
        try unsafe Kernel.connect(rawDescriptor, raw, length)
      }
      return true
    } catch .nowInProgress, .interrupted {
      // An interrupted connect goes on in the background.
      return false
    } catch {
      throw connectError(error)
    }
  }

  /// Connects, and waits until that has come about.
  ///
  /// - Parameter timeout: How long it may take; nil waits as long as the kernel does, which may be minutes; zero and less
  ///   don't wait.
  public static func connected(to address: SocketAddress, timeout: Duration? = nil) throws(MultiplexError) -> Socket {
    let socket = try connecting(to: address)
    try socket.wait(for: .out, timeout: timeout, call: "connect")
    try socket.finishConnecting()
    return socket
  }

  /// Looks a host up, and connects to the first of its addresses that answers.
  ///
  /// - Parameter timeout: How long each of the addresses may take; nil waits as long as the kernel does. Looking a name
  ///   up takes its own time: see ``HostPort/resolve(for:)``.
  /// - Throws: What the last of the addresses answered, or ``MultiplexError/Reason/unknownAddress``.
  public static func connected(to host: HostPort, timeout: Duration? = nil) throws(MultiplexError) -> Socket {
    let addresses = try host.resolve(for: .connecting)
    for address in addresses.dropLast() {
      if let socket = try? connected(to: address, timeout: timeout) { return socket }
    }
    // A host has at least one address.
    return try connected(to: addresses[addresses.count - 1], timeout: timeout)
  }

  /// Tells how connecting went, once the socket is writable.
  ///
  /// Corresponding C function: `getsockopt` with `SO_ERROR`.
  ///
  /// - Throws: What kept the connection from coming about.
  public func finishConnecting() throws(MultiplexError) {
    let status = try get(.pendingError)
    guard status == 0 else { throw connectError(Errno(rawValue: status)) }
  }

  /// What to say of a failure to connect.
  package func connectError(_ errno: Errno) -> MultiplexError {
    MultiplexError(
      call: "connect", descriptor: fileDescriptor, subject: peerAddress?.description, errno: errno)
  }

  /// Waits until the socket is ready for one thing; zero and less don't wait.
  func wait(for events: PollEvents, timeout: Duration?, call: String) throws(MultiplexError) {
    var set = PollSet()
    try set.register(self, for: events)
    guard try set.poll(timeout: timeout.map { max($0, .zero) }).isEmpty else { return }
    throw MultiplexError(
      call: call, descriptor: fileDescriptor, subject: peerAddress?.description, reason: .system, errno: .timedOut)
  }
}
