import Foundation

/// A bar chart as text, on a logarithmic scale.
struct BarChart {
  private static let width = 48.0
  /// The least ratio that the scale encloses: a small difference must not look large.
  private static let leastRange = 10.0
  /// The length of the shortest bar, so that the smallest value is visible.
  private static let shortest = 2.0
  private static let eighths = [" ", "▏", "▎", "▍", "▌", "▋", "▊", "▉"]

  /// The smallest value, above 0.
  let least: Double
  let greatest: Double

  /// Returns one line of the chart.
  ///
  /// - Parameters:
  ///   - cells: The cells before the bar: each a text, its width, and whether it is right-aligned.
  ///   - value: The value that the bar shows.
  ///   - label: The text after the bar.
  func line(_ cells: [(text: String, width: Int, isRight: Bool)], _ value: Double, _ label: String) -> String {
    let before = cells.map { cell in
      let blanks = String(repeating: " ", count: max(0, cell.width - cell.text.count))
      return cell.isRight ? blanks + cell.text : cell.text + blanks
    }
    return (before + [bar(value), label]).joined(separator: "  ")
  }

  private func bar(_ value: Double) -> String {
    let share = log(max(value, least) / least) / log(max(greatest / least, Self.leastRange))
    let length = Int(((Self.shortest + share * (Self.width - Self.shortest)) * 8).rounded())
    let remainder = length % 8
    return String(repeating: "█", count: length / 8) + (remainder > 0 ? Self.eighths[remainder] : "")
  }
}
