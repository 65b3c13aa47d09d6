public import Multiplex
public import SystemPackage

/// A listener, as reported to a ``ReactorObserver``.
public struct ObservedListener: Hashable, Sendable {
  /// The socket's descriptor, which is the listener's own until it stops listening.
  public let descriptor: FileDescriptor
  /// Where it listens.
  public let localAddress: SocketAddress

  /// Makes a description of a listener, for testing an observer.
  public init(descriptor: FileDescriptor, localAddress: SocketAddress) {
    self.descriptor = descriptor
    self.localAddress = localAddress
  }
}
