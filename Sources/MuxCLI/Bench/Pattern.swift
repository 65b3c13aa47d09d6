/// What is sent: bytes that repeat at a prime distance, over and over. Each connection begins at a place of its own, so that
/// a message that is lost, doubled, out of order or someone else's doesn't look right by accident.
struct Pattern {
  /// The longest piece that can be had at once, in bytes.
  static let longestPiece = 64 * 1024
  private static let period = 65_521

  /// A piece may begin anywhere within the period, hence the room for one more at the end.
  private let bytes: [UInt8]

  init() {
    // xorshift64*: the same in every run, so that a run can be repeated.
    var state: UInt64 = 0x9e37_79b9_7f4a_7c15
    let block = (0..<Self.period).map { _ in
      state ^= state >> 12
      state ^= state << 25
      state ^= state >> 27
      return UInt8(truncatingIfNeeded: (state &* 0x2545_f491_4f6c_dd1d) >> 56)
    }
    bytes = block + (0..<Self.longestPiece).map { block[$0 % Self.period] }
  }

  /// Lends the bytes from a position in a connection's stream on.
  ///
  /// - Parameters:
  ///   - connection: The connection's number.
  ///   - count: At most ``longestPiece``.
  @inline(__always)
  func withPiece<Result, Failure: Error>(
    of connection: Int, at position: Int, count: Int, _ body: (RawSpan) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    let start = place(of: connection, at: position)
    // Any bytes are valid bytes.
    return try body(unsafe bytes.span.bytes.extracting(start..<start + count))
  }

  /// One byte of a connection's stream.
  func byte(of connection: Int, at position: Int) -> UInt8 {
    bytes[place(of: connection, at: position)]
  }

  /// The connections begin a prime distance apart: no two of a few thousand are near each other.
  private func place(of connection: Int, at position: Int) -> Int {
    (connection &* 7919 &+ position) % Self.period
  }
}
