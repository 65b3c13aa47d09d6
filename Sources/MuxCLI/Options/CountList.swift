import ArgumentParser

/// The value of `--descriptors`: numbers with commas between, each counted once.
struct CountList: ExpressibleByArgument {
  private static let range = 1...1_000_000

  /// Rising.
  let counts: [Int]

  init(_ counts: [Int]) {
    self.counts = counts
  }

  init?(argument: String) {
    let numbers = argument.split(separator: ",", omittingEmptySubsequences: false).map { Int($0) }
    let counts = numbers.compactMap(\.self)
    guard counts.count == numbers.count, counts.allSatisfy(Self.range.contains) else { return nil }
    self.counts = Set(counts).sorted()
  }

  var defaultValueDescription: String { counts.map(String.init).joined(separator: ",") }
}
