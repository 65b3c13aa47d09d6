import ArgumentParser

/// The value of `--descriptors`: numbers with commas between, each counted once.
struct CountList {
  private static let range = 1...1_000_000

  /// Rising.
  let counts: [Int]

  /// - Throws: What is to be written.
  init(_ text: String) throws(ValidationError) {
    let numbers = text.split(separator: ",", omittingEmptySubsequences: false).map { Int($0) }
    let counts = numbers.compactMap(\.self)
    guard counts.count == numbers.count, counts.allSatisfy(Self.range.contains) else {
      throw ValidationError(
        "write whole numbers from \(Self.range.lowerBound) to \(Self.range.upperBound), with commas between")
    }
    self.counts = Set(counts).sorted()
  }
}
