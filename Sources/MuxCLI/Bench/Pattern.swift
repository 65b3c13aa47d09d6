import Multiplex

/// The bytes that are sent: a repeating pattern with a prime period. Each connection starts at its own position in it,
/// so that a message that is lost, duplicated, out of order or from another connection doesn't look right by accident.
struct Pattern {
  /// The maximum length of a piece, in bytes.
  static let longestPiece = 64 * 1024
  private static let period = 65_521

  /// One period and a piece, because a piece may start anywhere within the period.
  private let bytes: [UInt8]

  init() {
    // The same in every run, so that runs are reproducible.
    var random = SplitMix64(seed: 1)
    let block = (0..<Self.period).map { _ in UInt8.random(in: .min ... .max, using: &random) }
    bytes = block + (0..<Self.longestPiece).map { block[$0 % Self.period] }
  }

  /// Calls a closure with bytes of a connection's stream.
  ///
  /// - Parameters:
  ///   - connection: The connection's number.
  ///   - position: The position of the first byte in the stream.
  ///   - count: The number of bytes; at most ``longestPiece``.
  ///   - body: Borrows the bytes for the call.
  @inline(__always)
  func withPiece<Result, Failure: Error>(
    of connection: Int, at position: Int, count: Int, _ body: (RawSpan) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    let start = place(of: connection, at: position)
    // Any bytes are valid.
    return try body(unsafe bytes.span.bytes.extracting(start..<start + count))
  }

  /// Returns one byte of a connection's stream.
  func byte(of connection: Int, at position: Int) -> UInt8 {
    bytes[place(of: connection, at: position)]
  }

  /// Returns the index of a byte. Connections start a prime distance apart: no two of a few thousand are near each
  /// other.
  private func place(of connection: Int, at position: Int) -> Int {
    (connection &* 7919 &+ position) % Self.period
  }
}
