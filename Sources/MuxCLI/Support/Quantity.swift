import Foundation

/// Numbers as people read them, without regard to the locale.
enum Quantity {
  /// A whole number with its thousands set apart: "1,234,567".
  static func count(_ number: Int) -> String {
    var text = ""
    for (index, digit) in "\(number.magnitude)".reversed().enumerated() {
      if index > 0, index.isMultiple(of: 3) { text.append(",") }
      text.append(digit)
    }
    return (number < 0 ? "-" : "") + String(text.reversed())
  }

  /// A time to three digits, in the unit that suits it: "12.3 µs".
  ///
  /// - Parameter nanoseconds: Not negative.
  static func time(_ nanoseconds: Double) -> String {
    let units = [("ns", 1.0), ("µs", 1e3), ("ms", 1e6), ("s", 1e9)]
    // Rounding may reach the next unit: 999.9 ns are 1 µs.
    let (name, size) = units.first { nanoseconds / $0.1 < 999.5 } ?? units[units.count - 1]
    return "\(threeDigits(nanoseconds / size)) \(name)"
  }

  static func time(_ nanoseconds: Int) -> String { time(Double(nanoseconds)) }

  /// Bytes in the binary unit that suits them: "6.25 MiB".
  static func bytes(_ count: Double) -> String {
    let units = [("B", 1.0), ("KiB", 1024.0), ("MiB", 1_048_576.0), ("GiB", 1_073_741_824.0)]
    let (name, size) = units.first { count / $0.1 < 999.5 } ?? units[units.count - 1]
    return "\(threeDigits(count / size)) \(name)"
  }

  /// With so many digits behind the point.
  static func decimal(_ number: Double, _ digits: Int) -> String {
    String(format: "%.\(digits)f", locale: Locale(identifier: "en_US_POSIX"), number)
  }

  /// Without a point where none is needed: "50", "99.9".
  static func shortest(_ number: Double) -> String {
    number == number.rounded() && number.magnitude < 1e15 ? "\(Int(number))" : "\(number)"
  }

  /// Without needless digits: 0, 1.5, 12.3, 123, 1234.
  private static func threeDigits(_ number: Double) -> String {
    let digits = number < 9.995 ? 2 : number < 99.95 ? 1 : 0
    let text = decimal(number, digits)
    guard text.contains(".") else { return text }
    let significant = text.reversed().drop { $0 == "0" }
    return String(significant.drop { $0 == "." }.reversed())
  }
}
