/// A received datagram and its sender.
public struct Datagram: Hashable, Sendable {
  /// The bytes; there may be none.
  public let bytes: [UInt8]
  /// The address to reply to.
  public let sender: SocketAddress

  /// Makes a datagram.
  public init(bytes: [UInt8], sender: SocketAddress) {
    self.bytes = bytes
    self.sender = sender
  }
}
