/// Bytes of which no part looks like another of the same length nearby, so that none can be lost or swapped unnoticed.
/// They are the same each time.
///
/// Copied, not computed: tests ask for millions of them, on the few threads that they share.
public func numbered(_ count: Int) -> [UInt8] {
  var bytes: [UInt8] = []
  bytes.reserveCapacity(count + period.count)
  while bytes.count < count { bytes += period }
  bytes.removeLast(bytes.count - count)
  return bytes
}

/// The number of bytes is prime, so no buffer's size is a multiple of it.
private let period = {
  var random = SeededGenerator(seed: 1)
  return (0..<16_381).map { _ in UInt8.random(in: 0...255, using: &random) }
}()
