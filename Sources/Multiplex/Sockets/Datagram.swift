/// A datagram that has come: some bytes, which belong together, and who has sent them.
public struct Datagram: Hashable, Sendable {
  /// The bytes; there may be none.
  public let bytes: [UInt8]
  /// Where an answer goes.
  public let sender: SocketAddress

  /// A datagram.
  public init(bytes: [UInt8], sender: SocketAddress) {
    self.bytes = bytes
    self.sender = sender
  }
}
