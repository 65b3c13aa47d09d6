import ArgumentParser

/// The ranges of option values.
enum Limits {
  /// The valid times in seconds. The longest is a century, so that adding it to the present time can't overflow.
  private static let times = 0.001...3e9

  static func require(_ value: Int?, atLeast minimum: Int, atMost maximum: Int = .max, _ option: String) throws {
    guard let value else { return }
    if value < minimum { throw ValidationError("\(option) must be at least \(Quantity.count(minimum))") }
    if value > maximum { throw ValidationError("\(option) must be at most \(Quantity.count(maximum))") }
  }

  static func require(_ value: Int, in range: ClosedRange<Int>, _ option: String) throws {
    guard !range.contains(value) else { return }
    throw ValidationError(
      "\(option) must be from \(Quantity.count(range.lowerBound)) to \(Quantity.count(range.upperBound))")
  }

  /// Checks a time in seconds.
  ///
  /// - Parameters:
  ///   - value: The value of the option; nil is valid.
  ///   - allowingZero: Whether zero is valid, too.
  ///   - option: The name of the option.
  static func requireSeconds(_ value: Double?, allowingZero: Bool = false, _ option: String) throws {
    guard let value, !times.contains(value), !(allowingZero && value == 0) else { return }
    let (shortest, longest) = (Quantity.shortest(times.lowerBound), Quantity.count(Int(times.upperBound)))
    throw ValidationError("\(option) must be \(allowingZero ? "0, or " : "")from \(shortest) to \(longest) seconds")
  }

  static func requirePath(_ value: String?, _ option: String) throws {
    if value == "" { throw ValidationError("\(option) must be a file's path") }
    guard value == "-" else { return }
    throw ValidationError("\(option) must be a file's path, as standard output has the figures; ./- is such a file")
  }
}
