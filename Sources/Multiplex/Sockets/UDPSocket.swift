internal import CMultiplex
public import SystemPackage

/// A UDP socket: non-blocking, close-on-exec. Each call sends or receives one datagram.
///
///     let socket = try UDPSocket.bound(to: SocketAddress("127.0.0.1:9999"))
///     try poller.register(socket, for: .read)
///     ...
///     while let datagram = try socket.receive() {
///       _ = try socket.send(datagram.bytes, to: datagram.sender)
///     }
///
/// It is closed when the value ends; if a poller lasts longer, unregister it first (``Poller/unregister(_:)``).
public struct UDPSocket: ~Copyable, Sendable, Selectable {
  /// More bytes than a datagram can have over IPv4 or IPv6.
  private static let longest = 65_536

  private let descriptor: OwnedDescriptor
  /// The only address that the socket exchanges datagrams with, if it is connected.
  public private(set) var peerAddress: SocketAddress?

  /// Takes ownership of a UDP socket that was opened elsewhere, such as one inherited by the process. It should be
  /// non-blocking: see ``Selectable/setNonBlocking(_:)``.
  ///
  /// - Parameters:
  ///   - descriptor: The socket's descriptor.
  ///   - peerAddress: The address that the socket is connected to, if any.
  public init(adopting descriptor: consuming OwnedDescriptor, peerAddress: SocketAddress? = nil) {
    self.descriptor = descriptor
    self.peerAddress = peerAddress
  }

  private init(for address: SocketAddress) throws(MultiplexError) {
    guard address.port != nil else {
      throw .outOfRange(
        address.description, for: "socket", advice: "UDP needs an IP address and port, such as 127.0.0.1:9999")
    }
    descriptor = OwnedDescriptor(
      adopting: try calling("socket", for: address.description, Kernel.socket(address.family, cmx_SOCK_DGRAM)))
    peerAddress = nil
  }

  /// Opens a socket that receives the datagrams sent to an address. To set other options first, see ``unbound(for:)``.
  ///
  /// Corresponding C functions: `socket`, `bind`.
  ///
  /// - Parameters:
  ///   - address: An IP address; port 0 lets the kernel choose: see ``localAddress()``.
  ///   - reusePort: Whether several sockets may share the address and its datagrams (`SO_REUSEPORT`).
  ///   - dualStack: Whether a socket at the IPv6 address `::` receives IPv4 datagrams too, whose senders have addresses
  ///     such as `::ffff:127.0.0.1`. No effect on IPv4 sockets.
  /// - Throws: EADDRINUSE when the address is taken; EADDRNOTAVAIL when no interface has it; EACCES;
  ///   ``MultiplexError/Reason/invalidArgument`` for the path of a Unix socket;
  ///   ``MultiplexError/Reason/openFileLimit``.
  public static func bound(
    to address: SocketAddress, reusePort: Bool = false, dualStack: Bool = false
  ) throws(MultiplexError) -> UDPSocket {
    let socket = try unbound(for: address)
    if case .ipv6 = address { try socket.set(.ipv6Only, to: !dualStack) }
    if reusePort { try socket.set(.reusePort, to: true) }
    try socket.bind(to: address)
    return socket
  }

  /// Opens a socket that exchanges datagrams with only one address: those of others aren't received, and if the host
  /// reports that nobody listens there, the next call fails. This call sends nothing.
  ///
  /// Corresponding C functions: `socket`, `connect`.
  ///
  /// - Throws: ENETUNREACH when there is no route to the address; ``MultiplexError/Reason/invalidArgument`` for the
  ///   path of a Unix socket; ``MultiplexError/Reason/openFileLimit``.
  public static func connected(to address: SocketAddress) throws(MultiplexError) -> UDPSocket {
    var socket = try unbound(for: address)
    try socket.connect(to: address)
    return socket
  }

  /// Opens a socket of an address's family, to set options before ``bind(to:)`` or ``connect(to:)``.
  ///
  ///     var socket = try UDPSocket.unbound(for: address)
  ///     try socket.set(.broadcast, to: true)
  ///     try socket.connect(to: address)
  ///
  /// Corresponding C function: `socket`.
  ///
  /// - Throws: ``MultiplexError/Reason/invalidArgument`` for the path of a Unix socket;
  ///   ``MultiplexError/Reason/openFileLimit``.
  public static func unbound(for address: SocketAddress) throws(MultiplexError) -> UDPSocket {
    try UDPSocket(for: address)
  }

  /// Gives a socket its own address, to receive the datagrams sent to it, and to send from it.
  ///
  /// Corresponding C function: `bind`.
  ///
  /// - Parameter address: An IP address; port 0 lets the kernel choose: see ``localAddress()``.
  /// - Throws: EADDRINUSE when the address is taken; EADDRNOTAVAIL when no interface has it; EACCES;
  ///   ``MultiplexError/Reason/invalidArgument`` for a socket that has an address already.
  public func bind(to address: SocketAddress) throws(MultiplexError) {
    try unsafe call("bind", on: address, Kernel.bind)
  }

  /// Makes a socket exchange datagrams with only one address: see ``connected(to:)``. It may be connected again, to
  /// another address.
  ///
  /// Corresponding C function: `connect`.
  ///
  /// - Throws: ENETUNREACH when there is no route to the address; EACCES for a broadcast address without
  ///   ``SocketOption/broadcast``.
  public mutating func connect(to address: SocketAddress) throws(MultiplexError) {
    try unsafe call("connect", on: address, Kernel.connect)
    peerAddress = address
  }

  /// Closes the socket and reports the kernel's error, if any. The descriptor is released in either case.
  ///
  /// Corresponding C function: `close`.
  ///
  /// - Throws: The kernel's error.
  public consuming func close() throws(MultiplexError) {
    try descriptor.close()
  }

  /// Gives up ownership of the descriptor, which stays open.
  public consuming func take() -> OwnedDescriptor {
    descriptor
  }

  /// The descriptor, borrowed.
  public var fileDescriptor: FileDescriptor { descriptor.fileDescriptor }

  /// The socket's own address: the port that the kernel chose, for example.
  ///
  /// Corresponding C function: `getsockname`.
  ///
  /// - Throws: `EAFNOSUPPORT` for an adopted socket of another family than IP or Unix.
  public func localAddress() throws(MultiplexError) -> SocketAddress {
    try Socket.localAddress(of: fileDescriptor)
  }

  /// Returns the value of an option.
  ///
  /// Corresponding C function: `getsockopt`.
  ///
  /// - Throws: `ENOPROTOOPT` or `EOPNOTSUPP` for an option that the socket doesn't have.
  public func value<Value>(of option: SocketOption<Value>) throws(MultiplexError) -> Value {
    try option.value(on: fileDescriptor)
  }

  /// Sets an option.
  ///
  /// Corresponding C function: `setsockopt`.
  ///
  /// - Throws: ``MultiplexError/Reason/invalidArgument`` for a value that is out of range; `ENOPROTOOPT` or
  ///   `EOPNOTSUPP` for an option that the socket doesn't have, or that can't be set.
  public func set<Value>(_ option: SocketOption<Value>, to value: Value) throws(MultiplexError) {
    try option.set(to: value, on: fileDescriptor)
  }
}

// MARK: - Datagrams

extension UDPSocket {
  /// Receives the next datagram.
  ///
  /// Corresponding C function: `recvfrom`.
  ///
  /// - Returns: The datagram; nil if none has arrived yet.
  /// - Throws: The kernel's error: on a connected socket, `connectionRefused` (ECONNREFUSED) if nobody listens at the
  ///   peer's address.
  public func receive() throws(MultiplexError) -> Datagram? {
    let result = unsafe withUnsafeTemporaryAllocation(byteCount: Self.longest, alignment: 1) { memory in
      Result { () throws(Errno) in try unsafe takeDatagram(by: memory) }
    }
    return try calling("recvfrom", on: fileDescriptor, result.get())
  }

  /// Receives the next datagram into the caller's memory; bytes that don't fit are lost.
  ///
  /// Corresponding C function: `recvfrom`.
  ///
  /// - Parameter memory: Where to store the bytes.
  /// - Returns: How many bytes were stored, and the sender; nil if no datagram has arrived yet.
  /// - Throws: As ``receive()`` does.
  public func receive(
    into memory: inout MutableRawSpan
  ) throws(MultiplexError) -> (count: Int, sender: SocketAddress)? {
    try calling(
      "recvfrom", on: fileDescriptor,
      unsafe memory.withUnsafeMutableBytes { memory throws(Errno) in try unsafe receiveNow(into: memory) })
  }

  /// Receives the next datagram: see ``receive(into:)-(MutableRawSpan)``.
  public func receive(
    into memory: inout MutableSpan<UInt8>
  ) throws(MultiplexError) -> (count: Int, sender: SocketAddress)? {
    // Any bytes are valid bytes.
    var memory = unsafe memory.mutableBytes
    return try receive(into: &memory)
  }

  /// Sends one datagram, whole. Delivery isn't guaranteed.
  ///
  /// Corresponding C function: `sendto`.
  ///
  /// - Parameters:
  ///   - bytes: The content, possibly empty; at most 65,507 bytes over IPv4. A datagram larger than the network's
  ///     packets is more likely to be lost.
  ///   - address: The receiver; nil for the address that the socket is connected to.
  /// - Returns: False if there is no room now: nothing was sent.
  /// - Throws: The kernel's error: `messageTooLong` (EMSGSIZE); on a connected socket, as ``receive()`` does.
  public func send(_ bytes: [UInt8], to address: SocketAddress? = nil) throws(MultiplexError) -> Bool {
    try send(bytes.span, to: address)
  }

  /// Sends one datagram from the caller's memory: see ``send(_:to:)-([UInt8],_)``.
  ///
  /// - Throws: As ``send(_:to:)-([UInt8],_)`` does.
  public func send(_ bytes: Span<UInt8>, to address: SocketAddress? = nil) throws(MultiplexError) -> Bool {
    // Any byte is initialized.
    try send(unsafe bytes.bytes, to: address)
  }

  /// Sends one datagram from the caller's memory: see ``send(_:to:)-([UInt8],_)``.
  ///
  /// - Throws: As ``send(_:to:)-([UInt8],_)`` does.
  public func send(_ bytes: RawSpan, to address: SocketAddress? = nil) throws(MultiplexError) -> Bool {
    try calling("sendto", on: fileDescriptor, for: address?.description, sendNow(bytes, to: address))
  }

  /// Receives as ``receive()`` does, but throws the kernel's own error.
  ///
  /// - Parameter memory: Memory to receive into, with room for the longest datagram; bytes that don't fit are lost.
  package func takeDatagram(by memory: UnsafeMutableRawBufferPointer) throws(Errno) -> Datagram? {
    guard let (count, sender) = try unsafe receiveNow(into: memory) else { return nil }
    return Datagram(bytes: unsafe [UInt8](memory[..<count]), sender: sender)
  }

  /// Receives as ``receive(into:)-(MutableRawSpan)`` does, but throws the kernel's own error. A datagram without a
  /// sender's address is skipped; UDP doesn't have any.
  package func receiveNow(
    into buffer: UnsafeMutableRawBufferPointer
  ) throws(Errno) -> (count: Int, sender: SocketAddress)? {
    try transfer { () throws(Errno) in
      while true {
        var count = 0
        let sender = try unsafe SocketAddress.written { (raw, length) throws(Errno) in
          count = try unsafe Kernel.receiveFrom(rawDescriptor, buffer, raw, length)
        }
        if let sender { return (count, sender) }
      }
    }
  }

  /// Sends as ``send(_:to:)-(RawSpan,_)`` does, but throws the kernel's own error.
  package func sendNow(_ bytes: RawSpan, to address: SocketAddress?) throws(Errno) -> Bool {
    try transfer { () throws(Errno) in try sendOnce(bytes, to: address) } != nil
  }

  private func sendOnce(_ bytes: RawSpan, to address: SocketAddress?) throws(Errno) {
    try unsafe bytes.withUnsafeBytes { bytes throws(Errno) in
      guard let address else { return try unsafe Kernel.sendTo(rawDescriptor, bytes, nil, 0) }
      try unsafe address.withSockaddr { (raw, length) throws(Errno) in
        try unsafe Kernel.sendTo(rawDescriptor, bytes, raw, length)
      }
    }
  }
}
