internal import CMultiplex
public import SystemPackage

#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Musl)
  internal import Musl
#endif

/// A stream socket, TCP or Unix: non-blocking, close-on-exec, and free of SIGPIPE.
///
/// It is an object, as in Python, so that the same socket can stand in several lists at once. It is closed by
/// ``close()``, or when the last reference to it is gone. A socket is used by one thread at a time.
public final class Socket: Selectable {
  private var owned: OwnedDescriptor?
  /// Stored apart, as it is needed at every turn.
  private var descriptor: FileDescriptor
  /// The other side's address, where it was known when the socket was made.
  public let peerAddress: SocketAddress?

  /// Takes over a stream socket that was opened elsewhere. It should be non-blocking.
  public init(adopting descriptor: consuming OwnedDescriptor, peerAddress: SocketAddress? = nil) {
    self.descriptor = descriptor.fileDescriptor
    self.owned = consume descriptor
    self.peerAddress = peerAddress
  }

  /// The lent descriptor; -1 once the socket is closed.
  public var fileDescriptor: FileDescriptor { descriptor }

  /// Whether ``close()`` has been called.
  public var isClosed: Bool { descriptor.rawValue < 0 }

  /// Closes the socket; further calls do nothing. Bytes that were sent are still delivered.
  ///
  /// Corresponding C function: `close`.
  public func close() {
    owned = nil
    descriptor = FileDescriptor(rawValue: -1)
  }

  /// Gives the descriptor away, open; the socket is then closed as far as this object is concerned.
  ///
  /// - Throws: ``MultiplexError/Reason/closed``.
  public func take() throws(MultiplexError) -> OwnedDescriptor {
    guard let descriptor = descriptor.take() else { throw .closed("socket", for: "Socket.take") }
    fileDescriptor = FileDescriptor(rawValue: -1)
    return descriptor
  }

  /// The lent descriptor of a socket that is open.
  private func open(for call: String) throws(MultiplexError) -> FileDescriptor {
    guard !isClosed else {
      throw .closed("socket", for: call)
    }
    return descriptor
  }
}

// MARK: - Bytes

extension Socket {
  /// Takes what has arrived, at most as much as the buffer holds.
  ///
  /// Corresponding C function: `recv`.
  ///
  /// - Returns: The number of bytes received; 0 when the peer has finished sending; nil if nothing has arrived yet.
  public func receive(into buffer: inout MutableRawSpan) throws(MultiplexError) -> Int? {
    let descriptor = try open(for: "recv")
    return try unsafe buffer.withUnsafeMutableBytes { buffer throws(MultiplexError) in
      try transfer("recv", descriptor) { () throws(Errno) in
        try unsafe Kernel.receive(descriptor.rawValue, buffer)
      }
    }
  }

  /// Takes what has arrived, at most `count` bytes.
  ///
  /// - Returns: The bytes; none when the peer has finished sending; nil if nothing has arrived yet.
  public func receive(upTo count: Int) throws(MultiplexError) -> [UInt8]? {
    var bytes = [UInt8](repeating: 0, count: count)
    var span = bytes.mutableSpan
    // Any bytes are valid bytes.
    var buffer = unsafe span.mutableBytes
    guard let received = try receive(into: &buffer) else { return nil }
    bytes.removeLast(count - received)
    return bytes
  }

  /// Sends as much as there is room for.
  ///
  /// Corresponding C function: `send` with `MSG_NOSIGNAL`.
  ///
  /// - Returns: The number of bytes taken; nil if there is no room now.
  public func send(_ bytes: RawSpan) throws(MultiplexError) -> Int? {
    let descriptor = try open(for: "send")
    return try unsafe bytes.withUnsafeBytes { bytes throws(MultiplexError) in
      try transfer("send", descriptor) { () throws(Errno) in try unsafe Kernel.send(descriptor.rawValue, bytes) }
    }
  }

  /// Sends as much as there is room for.
  ///
  /// - Returns: The number of bytes taken; nil if there is no room now.
  @inlinable
  public func send(_ bytes: some RandomAccessCollection<UInt8>) throws(MultiplexError) -> Int? {
    // A collection that isn't contiguous is copied once, to be.
    let result = bytes.withContiguousStorageIfAvailable { bytes in
      Result { () throws(MultiplexError) in try send(unsafe bytes.span.bytes) }
    }
    if let result { return try result.get() }
    let copy = [UInt8](bytes)
    return try send(unsafe copy.span.bytes)
  }

  /// Sends everything, and waits for room where there is none.
  ///
  /// - Parameter timeout: How long the peer may take nothing at all; nil waits for ever, zero and less don't wait.
  /// - Throws: `timedOut` (ETIMEDOUT) when the time is up; what was taken until then has been sent.
  public func sendAll(_ bytes: [UInt8], timeout: Duration? = nil) throws(MultiplexError) {
    var rest = bytes[...]
    while !rest.isEmpty {
      if let sent = try send(rest) {
        rest = rest.dropFirst(sent)
      } else {
        try wait(for: .out, timeout: timeout, call: "send")
      }
    }
  }

  /// Ends one direction, or both; the socket stays open. After `.writing` the peer reads the end of input.
  ///
  /// Corresponding C function: `shutdown`.
  public func shutdown(_ direction: ShutdownDirection) throws(MultiplexError) {
    let descriptor = try open(for: "shutdown")
    do {
      try Kernel.shutdown(descriptor.rawValue, direction.rawValue)
    } catch {
      throw MultiplexError(call: "shutdown", descriptor: descriptor, errno: error)
    }
  }

  /// Waits until the socket is ready for one thing; zero and less don't wait.
  private func wait(for events: PollEvents, timeout: Duration?, call: String) throws(MultiplexError) {
    var set = PollSet()
    try set.register(self, for: events)
    guard try set.poll(timeout: timeout.map { max($0, .zero) }).isEmpty else { return }
    throw MultiplexError(
      call: call, descriptor: fileDescriptor, subject: peerAddress?.description, reason: .system, errno: .timedOut)
  }
}

// MARK: - Connections

extension Socket {
  /// Listens at an address.
  ///
  /// A TCP port that an earlier connection still occupies is taken all the same (`SO_REUSEADDR`); one that somebody
  /// listens on is not. An IPv6 address takes IPv6 connections only. The file of a Unix socket that nobody listens on
  /// any more is replaced; any other file is left alone, and is an error. The file stays when the socket is closed.
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
    switch address {
    case .ipv4: try socket.set(.reuseAddress, to: 1)
    case .ipv6:
      try socket.set(.reuseAddress, to: 1)
      try socket.set(.ipv6Only, to: 1)
    case .unix(let path): try UnixSocketFile.removeIfDead(path)
    }
    if reusePort { try socket.set(.reusePort, to: 1) }
    try unsafe socket.call("bind", on: address) { (fd, raw, length) throws(Errno) in
      try unsafe Kernel.bind(fd, raw, length)
    }
    try unsafe socket.call("listen", on: address) { (fd, _, _) throws(Errno) in try Kernel.listen(fd, backlog) }
    return socket
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
    let descriptor = try open(for: "accept4")
    while true {
      do {
        var accepted: Int32 = -1
        let peer = try unsafe SocketAddress.written { (raw, length) throws(Errno) in
          accepted = try unsafe Kernel.accept(descriptor.rawValue, raw, length)
        }
        return Socket(adopting: OwnedDescriptor(adopting: accepted), peerAddress: peer)
      } catch .wouldBlock, .resourceTemporarilyUnavailable {
        return nil
      } catch let error where Self.concernsOneConnection(error) {
        continue
      } catch {
        throw MultiplexError(call: "accept4", descriptor: descriptor, errno: error)
      }
    }
  }

  /// Whether an error of accept belongs to the connection that waited, as accept(2) lists them, not to the listener.
  private static func concernsOneConnection(_ errno: Errno) -> Bool {
    switch errno {
    case .interrupted, .connectionAbort, .networkDown, .protocolError, .protocolNotAvailable, .hostIsDown,
      .noRouteToHost, .networkUnreachable:
      true
    default:
      false
    }
  }

  /// Begins to connect. When the socket is writable the outcome is known: ``finishConnecting()`` tells it.
  ///
  /// Corresponding C functions: `socket`, `connect`.
  public static func connecting(to address: SocketAddress) throws(MultiplexError) -> Socket {
    let socket = try Socket(family: address, peerAddress: address)
    do {
      try unsafe address.withSockaddr { (raw, length) throws(Errno) in
        try unsafe Kernel.connect(socket.rawDescriptor, raw, length)
      }
    } catch .nowInProgress, .interrupted {
      // An interrupted connect goes on in the background.
    } catch {
      throw socket.connectError(error)
    }
    return socket
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

  private func connectError(_ errno: Errno) -> MultiplexError {
    MultiplexError(
      call: "connect", descriptor: fileDescriptor, subject: peerAddress?.description, errno: errno)
  }

  /// Two Unix sockets that are connected to each other.
  ///
  /// Corresponding C function: `socketpair`.
  public static func pair() throws(MultiplexError) -> (Socket, Socket) {
    do {
      let ends = try Kernel.socketpair()
      return (Socket(adopting: OwnedDescriptor(adopting: ends.0)), Socket(adopting: OwnedDescriptor(adopting: ends.1)))
    } catch {
      throw MultiplexError(call: "socketpair", errno: error)
    }
  }

  private convenience init(family address: SocketAddress, peerAddress: SocketAddress? = nil) throws(MultiplexError) {
    if case .unix(let path) = address { try Self.check(path) }
    do {
      let fd = try Kernel.socket(address.family, cmx_SOCK_STREAM)
      self.init(adopting: OwnedDescriptor(adopting: fd), peerAddress: peerAddress)
    } catch {
      throw MultiplexError(call: "socket", subject: address.description, errno: error)
    }
  }

  /// Refuses paths of which the kernel would see a part alone.
  private static func check(_ path: String) throws(MultiplexError) {
    guard path.utf8.count <= SocketAddress.maximumPathLength else {
      throw MultiplexError(
        call: "socket", subject: path, reason: .invalidArgument, errno: .fileNameTooLong,
        advice: "the path of a Unix socket has at most \(SocketAddress.maximumPathLength) bytes")
    }
    // Names in the abstract namespace begin with a zero byte, and may have more.
    guard path.utf8.first == 0 || !path.utf8.contains(0) else {
      throw .outOfRange(
        "'\(path.prefix { $0 != "\0" })\\0...'", for: "socket", advice: "a path has no zero byte, but for the first")
    }
  }

  private func call(
    _ name: String, on address: SocketAddress,
    _ body: (Int32, UnsafePointer<sockaddr>, socklen_t) throws(Errno) -> Void
  ) throws(MultiplexError) {
    do {
      try unsafe address.withSockaddr { (raw, length) throws(Errno) in try unsafe body(rawDescriptor, raw, length) }
    } catch {
      throw MultiplexError(call: name, descriptor: fileDescriptor, subject: address.description, errno: error)
    }
  }
}

// MARK: - Addresses and options

extension Socket {
  /// The socket's own address: the port that the kernel chose, for example.
  ///
  /// Corresponding C function: `getsockname`.
  public func localAddress() throws(MultiplexError) -> SocketAddress {
    let descriptor = try open(for: "getsockname")
    let address: SocketAddress?
    do {
      address = try unsafe SocketAddress.written { (raw, length) throws(Errno) in
        try unsafe Kernel.getsockname(descriptor.rawValue, raw, length)
      }
    } catch {
      throw MultiplexError(call: "getsockname", descriptor: descriptor, errno: error)
    }
    guard let address else {
      throw MultiplexError(call: "getsockname", descriptor: descriptor, errno: .addressFamilyNotSupported)
    }
    return address
  }

  /// The value of an option.
  ///
  /// Corresponding C function: `getsockopt`.
  public func get(_ option: SocketOption) throws(MultiplexError) -> Int32 {
    let descriptor = try open(for: "getsockopt")
    do {
      return try Kernel.option(descriptor.rawValue, option.level, option.name)
    } catch {
      throw MultiplexError(call: "getsockopt", descriptor: descriptor, errno: error)
    }
  }

  /// Sets an option.
  ///
  /// Corresponding C function: `setsockopt`.
  public func set(_ option: SocketOption, to value: Int32) throws(MultiplexError) {
    let descriptor = try open(for: "setsockopt")
    do {
      try Kernel.setOption(descriptor.rawValue, option.level, option.name, value)
    } catch {
      throw MultiplexError(call: "setsockopt", descriptor: descriptor, errno: error)
    }
  }
}

// MARK: - As a value

extension Socket: Hashable, CustomStringConvertible {
  /// Two sockets are equal if they are the same object.
  public static func == (left: Socket, right: Socket) -> Bool { left === right }

  /// Hashes the object's identity.
  public func hash(into hasher: inout Hasher) { hasher.combine(ObjectIdentifier(self)) }

  /// The descriptor and the addresses: "<socket 5: 127.0.0.1:9999, peer 127.0.0.1:40312>".
  public var description: String {
    guard !isClosed else { return "<closed socket>" }
    var text = "<socket \(fileDescriptor.rawValue)"
    if let local = try? localAddress() { text += ": \(local)" }
    if let peerAddress { text += ", peer \(peerAddress)" }
    return text + ">"
  }
}
