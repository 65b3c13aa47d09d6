import Foundation

/// Bars of text on a logarithmic scale.
struct BarChart {
  private static let width = 48.0
  /// The shortest bar, so that the least is seen as well.
  private static let shortest = 2.0
  private static let eighths = [" ", "▏", "▎", "▍", "▌", "▋", "▊", "▉"]

  /// The least value, above 0.
  let least: Double
  let greatest: Double

  /// - Parameter cells: What stands before the bar: the text, its width, and whether it goes to the right.
  func line(_ cells: [(text: String, width: Int, isRight: Bool)], _ value: Double, _ label: String) -> String {
    let before = cells.map { cell in
      let blanks = String(repeating: " ", count: max(0, cell.width - cell.text.count))
      return cell.isRight ? blanks + cell.text : cell.text + blanks
    }
    return (before + [bar(value), label]).joined(separator: "  ")
  }

  private func bar(_ value: Double) -> String {
    let range = log(greatest / least)
    let share = range > 0 ? log(max(value, least) / least) / range : 1
    let length = Int(((Self.shortest + share * (Self.width - Self.shortest)) * 8).rounded())
    let rest = length % 8
    return String(repeating: "█", count: length / 8) + (rest > 0 ? Self.eighths[rest] : "")
  }
}
