import Foundation

/// Numbers formatted for people, independent of the locale.
enum Quantity {
  /// A whole number with thousands separators: "1,234,567".
  static func count(_ number: Int) -> String {
    var text = ""
    for (index, digit) in "\(number.magnitude)".reversed().enumerated() {
      if index > 0, index.isMultiple(of: 3) { text.append(",") }
      text.append(digit)
    }
    return (number < 0 ? "-" : "") + String(text.reversed())
  }

  /// A number of things: "1 line", "1,234 lines".
  static func counted(_ number: Int, _ noun: String) -> String {
    "\(count(number)) \(noun)\(number == 1 ? "" : "s")"
  }

  /// A time in seconds: "5 seconds", "0.5 seconds".
  static func seconds(_ number: Double) -> String {
    "\(shortest(number)) second\(number == 1 ? "" : "s")"
  }

  /// A number per second: "20,000", "12.5", "0.5".
  static func rate(_ perSecond: Double) -> String {
    switch perSecond {
    case ..<1: shortest((perSecond * 1000).rounded() / 1000)
    case ..<99.95: shortest(Double(threeDigits(perSecond)) ?? perSecond)
    default: count(Int(perSecond.rounded()))
    }
  }

  /// A time with three digits, in a suitable unit: "12.3 µs", "2.00 s".
  ///
  /// - Parameter nanoseconds: Not negative.
  static func time(_ nanoseconds: Double) -> String {
    let (number, unit) = scaled(nanoseconds, times)
    return "\(threeDigits(number)) \(unit)"
  }

  /// A round time, without needless digits: "500 ms", "2 s".
  static func roundTime(_ nanoseconds: Double) -> String {
    let (number, unit) = scaled(nanoseconds, times)
    return "\(shortest(Double(threeDigits(number)) ?? number)) \(unit)"
  }

  /// A number of bytes in a suitable binary unit: "6.25 MiB".
  static func bytes(_ count: Double) -> String {
    let (number, unit) = scaled(count, sizes)
    return "\(threeDigits(number)) \(unit)"
  }

  /// A number with this many digits after the decimal point.
  static func decimal(_ number: Double, _ digits: Int) -> String {
    String(format: "%.\(digits)f", locale: Locale(identifier: "en_US_POSIX"), number)
  }

  /// A number without needless decimals: "50", "99.9".
  static func shortest(_ number: Double) -> String {
    number == number.rounded() && number.magnitude < 1e15 ? "\(Int(number))" : "\(number)"
  }

  private typealias Unit = (name: String, size: Double)

  private static let times: [Unit] = [("ns", 1), ("µs", 1e3), ("ms", 1e6), ("s", 1e9)]
  private static let sizes: [Unit] = [("B", 1), ("KiB", 1024), ("MiB", 1_048_576), ("GiB", 1_073_741_824)]

  /// Scales a number to the first unit that makes it less than a thousand. Rounding may reach the next unit: 999.9 ns
  /// are 1.00 µs.
  private static func scaled(_ number: Double, _ units: [Unit]) -> (Double, String) {
    let unit = units.first { number / $0.size < 999.5 } ?? units[units.count - 1]
    return (number / unit.size, unit.name)
  }

  /// A number with at least three digits: "1.50", "12.3", "123", "1234"; zero is "0".
  private static func threeDigits(_ number: Double) -> String {
    guard number > 0 else { return "0" }
    return decimal(number, number < 9.995 ? 2 : number < 99.95 ? 1 : 0)
  }
}
