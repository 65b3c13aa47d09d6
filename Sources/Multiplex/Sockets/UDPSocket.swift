internal import CMultiplex
public import SystemPackage

/// A UDP socket: non-blocking, close-on-exec. Each call sends or takes one datagram.
///
///     let socket = try UDPSocket.bound(to: SocketAddress("127.0.0.1:9999"))
///     try poller.register(socket, for: .read)
///     ...
///     while let datagram = try socket.receive() {
///       _ = try socket.send(datagram.bytes, to: datagram.sender)
///     }
///
/// It is closed when the value ends; a poller that lasts longer forgets it before (``Poller/unregister(_:)``).
public struct UDPSocket: ~Copyable, Sendable, Selectable {
  /// As much as a datagram may have over either IP, in bytes, and more than that.
  private static let longest = 65_536

  private let descriptor: OwnedDescriptor
  /// The one address that it exchanges datagrams with, if it is connected.
  public let peerAddress: SocketAddress?

  /// Takes over a UDP socket that was opened elsewhere, such as one that the process was started with. It should be
  /// non-blocking: see ``Selectable/setNonBlocking(_:)``.
  ///
  /// - Parameters:
  ///   - descriptor: The socket's descriptor, which is closed here from now on.
  ///   - peerAddress: What the socket is connected to, if it is.
  public init(adopting descriptor: consuming OwnedDescriptor, peerAddress: SocketAddress? = nil) {
    self.descriptor = descriptor
    self.peerAddress = peerAddress
  }

  /// Opens a socket for addresses of the given one's family.
  private init(for address: SocketAddress, peerAddress: SocketAddress? = nil) throws(MultiplexError) {
    guard address.port != nil else {
      throw .outOfRange(
        address.description, for: "socket", advice: "UDP has IP addresses with a port, such as 127.0.0.1:9999")
    }
    do {
      descriptor = OwnedDescriptor(adopting: try Kernel.socket(address.family, cmx_SOCK_DGRAM))
    } catch {
      throw MultiplexError(call: "socket", subject: address.description, errno: error)
    }
    self.peerAddress = peerAddress
  }

  /// Opens a socket that takes what is sent to an address. An IPv6 address takes IPv6 datagrams only.
  ///
  /// Corresponding C functions: `socket`, `bind`.
  ///
  /// - Parameters:
  ///   - address: An IP address; port 0 lets the kernel choose: see ``localAddress()``.
  ///   - reusePort: Several sockets share the address and its datagrams (`SO_REUSEPORT`).
  /// - Throws: ``MultiplexError/Reason/invalidArgument`` for the path of a Unix socket; what the kernel says.
  public static func bound(to address: SocketAddress, reusePort: Bool = false) throws(MultiplexError) -> UDPSocket {
    let socket = try UDPSocket(for: address)
    if case .ipv6 = address { try socket.set(.ipv6Only, to: true) }
    if reusePort { try socket.set(.reusePort, to: true) }
    try unsafe socket.call("bind", on: address, Kernel.bind)
    return socket
  }

  /// Opens a socket that exchanges datagrams with one address alone: others' are not received, and a host that tells that
  /// nobody listens there makes the next call fail. Nothing is sent by this call.
  ///
  /// Corresponding C functions: `socket`, `connect`.
  public static func connected(to address: SocketAddress) throws(MultiplexError) -> UDPSocket {
    let socket = try UDPSocket(for: address, peerAddress: address)
    try unsafe socket.call("connect", on: address, Kernel.connect)
    return socket
  }

  /// Closes the socket, and reports the kernel's error, if any. The socket is closed in either case.
  ///
  /// Corresponding C function: `close`.
  public consuming func close() throws(MultiplexError) {
    try descriptor.close()
  }

  /// Gives the descriptor away, open.
  public consuming func take() -> OwnedDescriptor {
    descriptor
  }

  /// The lent descriptor.
  public var fileDescriptor: FileDescriptor { descriptor.fileDescriptor }

  /// The socket's own address, with the port that the kernel chose.
  ///
  /// Corresponding C function: `getsockname`.
  public func localAddress() throws(MultiplexError) -> SocketAddress {
    try Socket.localAddress(of: fileDescriptor)
  }

  /// The value of an option.
  ///
  /// Corresponding C function: `getsockopt`.
  public func value<Value>(of option: SocketOption<Value>) throws(MultiplexError) -> Value {
    try option.value(on: fileDescriptor)
  }

  /// Sets an option.
  ///
  /// Corresponding C function: `setsockopt`.
  public func set<Value>(_ option: SocketOption<Value>, to value: Value) throws(MultiplexError) {
    try option.set(to: value, on: fileDescriptor)
  }
}

// MARK: - Datagrams

extension UDPSocket {
  /// Takes the next datagram.
  ///
  /// Corresponding C function: `recvfrom`.
  ///
  /// - Returns: nil if none has come yet.
  /// - Throws: What the kernel says: on a connected socket, `connectionRefused` where nobody listens at the other end.
  public func receive() throws(MultiplexError) -> Datagram? {
    let result = unsafe withUnsafeTemporaryAllocation(byteCount: Self.longest, alignment: 1) { memory in
      Result { () throws(Errno) in try unsafe takeDatagram(by: memory) }
    }
    do {
      return try result.get()
    } catch {
      throw MultiplexError(call: "recvfrom", descriptor: fileDescriptor, errno: error)
    }
  }

  /// Takes the next datagram into memory of the caller's; what doesn't fit is lost.
  ///
  /// Corresponding C function: `recvfrom`.
  ///
  /// - Returns: How many bytes of it are in the memory, and who has sent it; nil if none has come yet.
  /// - Throws: As ``receive()`` does.
  public func receive(
    into memory: inout MutableRawSpan
  ) throws(MultiplexError) -> (count: Int, sender: SocketAddress)? {
    do {
      return try unsafe memory.withUnsafeMutableBytes { memory throws(Errno) in try unsafe receiveNow(into: memory) }
    } catch {
      throw MultiplexError(call: "recvfrom", descriptor: fileDescriptor, errno: error)
    }
  }

  /// Sends a datagram, whole. That it arrives is not certain.
  ///
  /// Corresponding C function: `sendto`.
  ///
  /// - Parameters:
  ///   - bytes: There may be none. Over IPv4 a datagram has at most 65,507; one that is larger than a network's packets is
  ///     likelier to be lost.
  ///   - address: nil for the one that the socket is connected to.
  /// - Returns: False if there is no room now: it was not sent.
  /// - Throws: What the kernel says: `messageTooLong`, or on a connected socket, as ``receive()`` does.
  public func send(_ bytes: [UInt8], to address: SocketAddress? = nil) throws(MultiplexError) -> Bool {
    // Any bytes are valid bytes.
    try send(unsafe bytes.span.bytes, to: address)
  }

  /// Sends a datagram of the caller's memory: see ``send(_:to:)-([UInt8],_)``.
  public func send(_ bytes: RawSpan, to address: SocketAddress? = nil) throws(MultiplexError) -> Bool {
    do {
      return try sendNow(bytes, to: address)
    } catch {
      throw MultiplexError(call: "sendto", descriptor: fileDescriptor, subject: address?.description, errno: error)
    }
  }

  /// As ``receive()``, with the kernel's own error.
  ///
  /// - Parameter memory: Where the bytes come first: room for the longest datagram that is to be whole.
  package func takeDatagram(by memory: UnsafeMutableRawBufferPointer) throws(Errno) -> Datagram? {
    guard let (count, sender) = try unsafe receiveNow(into: memory) else { return nil }
    return Datagram(bytes: unsafe [UInt8](memory[..<count]), sender: sender)
  }

  /// As ``receive(into:)``, with the kernel's own error. A sender without an address, which UDP doesn't have, is passed over.
  private func receiveNow(
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

  /// As ``send(_:to:)-(RawSpan,_)``, with the kernel's own error.
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
