internal import Multiplex

/// Random numbers that are the same for the same seed.
public struct SeededGenerator: RandomNumberGenerator {
  private var generator: SplitMix64

  /// A generator that starts from a seed.
  public init(seed: UInt64) {
    generator = SplitMix64(seed: seed)
  }

  /// The next number.
  public mutating func next() -> UInt64 { generator.next() }
}
