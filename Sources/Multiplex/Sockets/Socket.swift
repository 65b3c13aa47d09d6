internal import CMultiplex
public import SystemPackage

/// A stream socket, TCP or Unix: non-blocking, close-on-exec, and free of SIGPIPE.
///
/// It is an object, as in Python, so that the same socket can stand in several lists at once. It is closed by
/// ``close()``, or when the last reference to it is gone, which may be right after its last use: ``fileDescriptor`` keeps
/// nothing alive. A socket is used by one thread at a time.
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

  /// The socket's own address: the port that the kernel chose, for example.
  ///
  /// Corresponding C function: `getsockname`.
  ///
  /// - Throws: ``MultiplexError/Reason/closed``; `EAFNOSUPPORT` for a socket that was adopted, and is neither TCP nor Unix.
  public func localAddress() throws(MultiplexError) -> SocketAddress {
    try Self.localAddress(of: requireOpen(for: "getsockname"))
  }

  package static func localAddress(of descriptor: FileDescriptor) throws(MultiplexError) -> SocketAddress {
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

  /// Looks the other side's address up; nil where there is no other side, or none any more.
  package static func peerAddress(of descriptor: FileDescriptor) -> SocketAddress? {
    try? unsafe SocketAddress.written { (raw, length) throws(Errno) in
      try unsafe Kernel.getpeername(descriptor.rawValue, raw, length)
    }
  }

  /// Closes the socket; further calls do nothing. Bytes that were sent are still delivered.
  ///
  /// Corresponding C function: `close`.
  public func close() {
    owned = nil
    descriptor = FileDescriptor(rawValue: noDescriptor)
  }

  /// Gives the descriptor away, open; the socket is then closed as far as this object is concerned.
  ///
  /// - Throws: ``MultiplexError/Reason/closed``.
  public func take() throws(MultiplexError) -> OwnedDescriptor {
    guard let taken = owned.take() else { throw .closed("socket", for: "Socket.take") }
    descriptor = FileDescriptor(rawValue: noDescriptor)
    return taken
  }

  /// The lent descriptor of a socket that is open.
  func requireOpen(for call: String) throws(MultiplexError) -> FileDescriptor {
    guard !isClosed else {
      throw .closed("socket", for: call)
    }
    return descriptor
  }
}

// MARK: - Making sockets

extension Socket {
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

  /// Opens a socket of the address's family.
  convenience init(family address: SocketAddress, peerAddress: SocketAddress? = nil) throws(MultiplexError) {
    try address.check(for: "socket")
    do {
      let fd = try Kernel.socket(address.family, cmx_SOCK_STREAM)
      self.init(adopting: OwnedDescriptor(adopting: fd), peerAddress: peerAddress)
    } catch {
      throw MultiplexError(call: "socket", subject: address.description, errno: error)
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
