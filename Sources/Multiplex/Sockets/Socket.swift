internal import CMultiplex
public import SystemPackage

/// A stream socket, TCP or Unix: non-blocking, close-on-exec, and without SIGPIPE.
///
/// It is an object, as in Python, so that the same socket can be in several lists at once. It is closed by ``close()``,
/// or when the last reference to it is gone, which may be right after its last use: its ``fileDescriptor`` doesn't keep
/// it alive. A socket is used by one thread at a time.
public final class Socket: Selectable {
  private var owned: OwnedDescriptor?
  /// Stored separately, as every operation needs it.
  private var descriptor: FileDescriptor
  /// The address that the socket was connected to, or accepted from.
  private let knownPeer: SocketAddress?

  /// Takes ownership of a stream socket that was opened elsewhere. It should be non-blocking:
  /// see ``Selectable/setNonBlocking(_:)``.
  public init(adopting descriptor: consuming OwnedDescriptor, peerAddress: SocketAddress? = nil) {
    self.descriptor = descriptor.fileDescriptor
    self.owned = consume descriptor
    knownPeer = peerAddress
  }

  /// The descriptor, borrowed; -1 once the socket is closed.
  public var fileDescriptor: FileDescriptor { descriptor }

  /// Whether ``close()`` has been called.
  public var isClosed: Bool { descriptor.rawValue < 0 }

  /// The peer's address; nil for a socket that has no peer. A socket that was adopted without it asks the kernel.
  ///
  /// Corresponding C function: `getpeername`.
  public var peerAddress: SocketAddress? { knownPeer ?? (isClosed ? nil : Self.peerAddress(of: descriptor)) }

  /// The socket's own address: the port that the kernel chose, for example.
  ///
  /// Corresponding C function: `getsockname`.
  ///
  /// - Throws: ``MultiplexError/Reason/closed``; `EAFNOSUPPORT` for an adopted socket that is neither TCP nor Unix.
  public func localAddress() throws(MultiplexError) -> SocketAddress {
    try Self.localAddress(of: requireOpen(for: "getsockname"))
  }

  package static func localAddress(of descriptor: FileDescriptor) throws(MultiplexError) -> SocketAddress {
    let address = try calling(
      "getsockname", on: descriptor,
      unsafe SocketAddress.written { (raw, length) throws(Errno) in
        try unsafe Kernel.getsockname(descriptor.rawValue, raw, length)
      })
    guard let address else {
      throw MultiplexError(call: "getsockname", descriptor: descriptor, errno: .addressFamilyNotSupported)
    }
    return address
  }

  /// Looks up the peer's address; nil if there is no peer, or it has gone.
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

  /// Gives up ownership of the descriptor, which stays open; this object is then closed.
  ///
  /// - Throws: ``MultiplexError/Reason/closed``.
  public func take() throws(MultiplexError) -> OwnedDescriptor {
    guard let taken = owned.take() else { throw .closed("socket", for: "Socket.take") }
    descriptor = FileDescriptor(rawValue: noDescriptor)
    return taken
  }

  /// The descriptor of an open socket, borrowed.
  func requireOpen(for call: String) throws(MultiplexError) -> FileDescriptor {
    guard !isClosed else {
      throw .closed("socket", for: call)
    }
    return descriptor
  }
}

// MARK: - Making sockets

extension Socket {
  /// Makes two Unix sockets that are connected to each other.
  ///
  /// Corresponding C function: `socketpair`.
  ///
  /// - Throws: ``MultiplexError/Reason/openFileLimit``.
  public static func pair() throws(MultiplexError) -> (Socket, Socket) {
    let ends = try calling("socketpair", Kernel.socketpair())
    return (Socket(adopting: OwnedDescriptor(adopting: ends.0)), Socket(adopting: OwnedDescriptor(adopting: ends.1)))
  }

  /// Opens a socket of the address's family.
  convenience init(family address: SocketAddress, peerAddress: SocketAddress? = nil) throws(MultiplexError) {
    try address.check(for: "socket")
    let fd = try calling("socket", for: address.description, Kernel.socket(address.family, cmx_SOCK_STREAM))
    self.init(adopting: OwnedDescriptor(adopting: fd), peerAddress: peerAddress)
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
