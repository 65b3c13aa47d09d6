import ArgumentParser

/// The ranges of options that bound something.
enum Limits {
  /// A century, so that the sum with the present can't overflow.
  private static let longest = 3e9

  static func require(_ value: Int?, atLeast minimum: Int, _ option: String) throws {
    guard let value, value < minimum else { return }
    throw ValidationError("\(option) must be at least \(minimum)")
  }

  static func require(_ value: Int, in range: ClosedRange<Int>, _ option: String) throws {
    guard !range.contains(value) else { return }
    throw ValidationError("\(option) must be from \(range.lowerBound) to \(range.upperBound)")
  }

  static func requireSeconds(_ value: Double?, _ option: String) throws {
    guard let value, !(0.001...longest).contains(value) else { return }
    throw ValidationError("\(option) must be a number of seconds above 0")
  }
}
