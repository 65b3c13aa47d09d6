public import Multiplex
public import SystemPackage

/// A listener, as a ``ReactorObserver`` is told of it.
public struct ObservedListener: Hashable, Sendable {
  /// The number of its socket, which is the listener's own until it has stopped.
  public let descriptor: FileDescriptor
  /// Where it listens.
  public let address: SocketAddress

  /// Describes a listener, for tests of an observer.
  public init(descriptor: FileDescriptor, address: SocketAddress) {
    self.descriptor = descriptor
    self.address = address
  }
}
