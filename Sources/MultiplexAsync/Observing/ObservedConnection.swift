public import Multiplex
public import SystemPackage

/// A connection, as reported to a ``ReactorObserver``.
public struct ObservedConnection: Hashable, Identifiable, Sendable {
  /// How a connection was established.
  public enum Origin: Hashable, Sendable {
    /// A listener at this address accepted it.
    case accepted(at: SocketAddress)
    /// This side connected it.
    case connected
    /// It was made of an existing socket: see ``Connection/adopt(_:on:)``.
    case adopted
  }

  /// A number that identifies the connection among all of the process.
  public let id: UInt64
  /// The socket's descriptor, which is the connection's own until it is closed.
  public let descriptor: FileDescriptor
  /// The other side, if known.
  public let peer: SocketAddress?
  /// How it was established.
  public let origin: Origin

  /// Makes a description of a connection, for testing an observer.
  public init(id: UInt64, descriptor: FileDescriptor, peer: SocketAddress?, origin: Origin) {
    self.id = id
    self.descriptor = descriptor
    self.peer = peer
    self.origin = origin
  }
}
