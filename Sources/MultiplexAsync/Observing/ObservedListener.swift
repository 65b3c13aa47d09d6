public import Multiplex
public import SystemPackage

/// A listener, as a ``ReactorObserver`` is told of it.
public struct ObservedListener: Hashable, Sendable {
  /// The number of its socket, which is the listener's own until it has stopped.
  public let descriptor: FileDescriptor
  /// Where it listens.
  public let localAddress: SocketAddress

  /// Describes a listener, for tests of an observer.
  public init(descriptor: FileDescriptor, localAddress: SocketAddress) {
    self.descriptor = descriptor
    self.localAddress = localAddress
  }
}
