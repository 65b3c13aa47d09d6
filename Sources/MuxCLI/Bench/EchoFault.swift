/// A violation of the echo protocol.
enum EchoFault: Error, CustomStringConvertible {
  case corruption(connection: Int, offset: Int, size: Int, expected: UInt8, got: UInt8)
  /// More came back than was sent.
  case surplus(connection: Int, sent: Int)

  var description: String {
    switch self {
    case .corruption(let connection, let offset, let size, let expected, let got):
      """
      a byte was changed: on connection \(connection + 1), byte \(offset) of the stream (byte \(offset % size) of message \
      \(offset / size + 1)), counted from 0, is \(Self.hexadecimal(got)) instead of \(Self.hexadecimal(expected))
      """
    case .surplus(let connection, let sent):
      """
      more bytes came back than were sent: connection \(connection + 1) had sent \(Quantity.counted(sent, "byte")) so far
      """
    }
  }

  private static func hexadecimal(_ byte: UInt8) -> String {
    "0x" + (byte < 16 ? "0" : "") + String(byte, radix: 16)
  }
}
