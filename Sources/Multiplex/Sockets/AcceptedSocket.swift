package import SystemPackage

/// A connection that a listening socket has accepted, before an object owns it: a ``Socket``, or something that needs
/// only the descriptor.
///
/// The descriptor is open and has no owner yet: the receiver of this value must adopt it at once.
package struct AcceptedSocket: Sendable {
  package let descriptor: FileDescriptor
  /// The peer's address; nil if the peer had gone before it was looked up.
  package let peerAddress: SocketAddress?

  init(_ descriptor: Int32, peerAddress: SocketAddress?) {
    self.descriptor = FileDescriptor(rawValue: descriptor)
    self.peerAddress = peerAddress
  }

  /// Looks up the peer of a descriptor that was accepted elsewhere.
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
