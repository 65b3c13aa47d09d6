import TestSupport

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// An endless stream of bytes, any part of which can be computed without the bytes before it: random bytes, repeated
/// with a prime period.
struct BytePattern {
  /// The length of the period, and the maximum length of a piece.
  static let period = 65_521

  /// Two periods, so that every piece lies in one.
  private let bytes: [UInt8]

  init(seed: UInt64) {
    var random = SeededGenerator(seed: seed)
    let period = (0..<Self.period).map { _ in UInt8.random(in: 0...255, using: &random) }
    bytes = period + period
  }

  /// Returns a piece of the stream.
  ///
  /// - Parameters:
  ///   - position: The position of its first byte.
  ///   - count: Its length; at most ``period``.
  func piece(at position: Int, _ count: Int) -> ArraySlice<UInt8> {
    let start = position % Self.period
    return bytes[start..<start + count]
  }

  /// Whether the stream has these bytes at a position.
  ///
  /// - Parameters:
  ///   - received: At most ``period`` bytes.
  ///   - position: The position of the first of them.
  func matches(_ received: [UInt8], at position: Int) -> Bool {
    // Both are borrowed for the call. Comparing slices would take minutes in debug builds.
    unsafe piece(at: position, received.count).withUnsafeBytes { expected in
      unsafe received.withUnsafeBytes { received in
        guard let expected = expected.baseAddress, let start = received.baseAddress else { return true }
        return unsafe memcmp(expected, start, received.count) == 0
      }
    }
  }
}
