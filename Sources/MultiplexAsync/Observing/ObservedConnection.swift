public import Multiplex
public import SystemPackage

/// A connection, as a ``ReactorObserver`` is told of it.
public struct ObservedConnection: Hashable, Identifiable, Sendable {
  /// How a connection has come about.
  public enum Origin: Hashable, Sendable {
    /// A listener at this address has accepted it.
    case accepted(at: SocketAddress)
    /// This side has connected.
    case connected
    /// A socket from elsewhere was taken over: see ``Connection/adopt(_:on:)``.
    case adopted
  }

  /// Names the connection among all that the process ever has.
  public let id: UInt64
  /// The number of its socket, which is the connection's own until it is closed.
  public let descriptor: FileDescriptor
  /// The other side, where it is known.
  public let peer: SocketAddress?
  /// How it has come about.
  public let origin: Origin

  /// Describes a connection, for tests of an observer.
  public init(id: UInt64, descriptor: FileDescriptor, peer: SocketAddress?, origin: Origin) {
    self.id = id
    self.descriptor = descriptor
    self.peer = peer
    self.origin = origin
  }
}
