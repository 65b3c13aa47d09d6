#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// The bytes of an endless stream, any of which can be told without those before: random ones, repeated at a prime distance.
struct BytePattern {
  /// The longest piece that can be asked for.
  static let period = 65_521

  /// Two periods, so that every piece lies in one.
  private let bytes: [UInt8]

  init(seed: UInt64) {
    let period = EchoPeer.bytes(Self.period, seed: seed)
    bytes = period + period
  }

  /// - Parameter count: At most ``period``.
  func piece(at position: Int, _ count: Int) -> ArraySlice<UInt8> {
    let start = position % Self.period
    return bytes[start..<start + count]
  }

  /// Whether the stream has these bytes at a position.
  ///
  /// - Parameter received: At most ``period`` bytes.
  func matches(_ received: [UInt8], at position: Int) -> Bool {
    // Both are lent for the call. A comparison of slices would take debug builds minutes.
    unsafe piece(at: position, received.count).withUnsafeBytes { expected in
      unsafe received.withUnsafeBytes { received in
        guard let expected = expected.baseAddress, let start = received.baseAddress else { return true }
        return unsafe memcmp(expected, start, received.count) == 0
      }
    }
  }
}
