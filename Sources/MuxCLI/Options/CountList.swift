import ArgumentParser

/// The value of `--descriptors`: numbers separated by commas; duplicates are dropped.
struct CountList {
  private static let range = 1...1_000_000

  /// The numbers in ascending order.
  let counts: [Int]

  /// Parses a list of numbers.
  ///
  /// - Throws: A message that says what to write.
  init(_ text: String) throws(ValidationError) {
    let numbers = text.split(separator: ",", omittingEmptySubsequences: false).map { Int($0) }
    let counts = numbers.compactMap(\.self)
    guard counts.count == numbers.count, counts.allSatisfy(Self.range.contains) else {
      throw ValidationError(
        """
        must be whole numbers from \(Quantity.count(Self.range.lowerBound)) to \(Quantity.count(Self.range.upperBound)), \
        separated by commas
        """)
    }
    self.counts = Set(counts).sorted()
  }
}
