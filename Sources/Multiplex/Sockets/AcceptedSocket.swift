package import SystemPackage

/// A connection that a listening socket has accepted, before there is an object for it: a ``Socket``, or something that
/// makes do with the descriptor.
///
/// The descriptor is open, and nobody's yet: whoever gets this adopts it at once.
package struct AcceptedSocket: Sendable {
  package let descriptor: FileDescriptor
  /// The other side's address; nil where the peer had gone again before it was looked up.
  package let peerAddress: SocketAddress?

  init(_ descriptor: Int32, peerAddress: SocketAddress?) {
    self.descriptor = FileDescriptor(rawValue: descriptor)
    self.peerAddress = peerAddress
  }

  /// Looks up whose a descriptor is that was accepted elsewhere.
  package init(_ descriptor: FileDescriptor) {
    self.descriptor = descriptor
    peerAddress = Socket.peerAddress(of: descriptor)
  }
}

extension Socket {
  package convenience init(adopting accepted: AcceptedSocket) {
    self.init(adopting: OwnedDescriptor(adopting: accepted.descriptor), peerAddress: accepted.peerAddress)
  }
}
