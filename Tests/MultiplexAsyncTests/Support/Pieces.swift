import TestSupport

/// The bytes in pieces of random lengths.
///
/// - Parameter limit: The longest.
func pieces(of bytes: [UInt8], upTo limit: Int, seed: UInt64) -> [[UInt8]] {
  var random = SeededGenerator(seed: seed)
  var pieces: [[UInt8]] = []
  var rest = bytes[...]
  while !rest.isEmpty {
    let piece = rest.prefix(Int.random(in: 1...limit, using: &random))
    pieces.append(Array(piece))
    rest = rest.dropFirst(piece.count)
  }
  return pieces
}
