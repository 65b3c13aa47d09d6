import Foundation

/// One axis of a chart: its range, its scale and its labels.
struct Axis {
  enum Scale {
    case linear, logarithmic
  }

  struct Tick {
    let value: Double
    let label: String
  }

  let title: String
  let scale: Scale
  let range: ClosedRange<Double>
  let ticks: [Tick]

  /// Returns the position of a value along the axis, from 0 to 1.
  func position(of value: Double) -> Double {
    let (low, high, value) =
      switch scale {
      case .linear: (range.lowerBound, range.upperBound, value)
      // Values that aren't positive lie at the beginning.
      case .logarithmic: (log10(range.lowerBound), log10(range.upperBound), log10(max(value, range.lowerBound)))
      }
    return high > low ? min(max((value - low) / (high - low), 0), 1) : 0
  }
}

// MARK: - Making axes

extension Axis {
  /// Makes an axis from 0 to a round number of at least `maximum`.
  static func linear(_ title: String, upTo maximum: Double, label: (Double) -> String) -> Axis {
    let step = roundStep(above: max(maximum, 1e-9) / 5)
    let count = Int((maximum / step).rounded(.up))
    let ticks = (0...max(count, 1)).map { Double($0) * step }
    return Axis(
      title: title, scale: .linear, range: 0...ticks[ticks.count - 1],
      ticks: ticks.map { Tick(value: $0, label: label($0)) })
  }

  /// Makes a time axis from 0 to exactly `maximum`.
  static func elapsed(_ title: String, upTo maximum: Double) -> Axis {
    let step = roundStep(above: max(maximum, 1e-9) / 8)
    let ticks = (0...Int(maximum / step)).map { Double($0) * step }
    return Axis(
      title: title, scale: .linear, range: 0...max(maximum, step),
      ticks: ticks.map { Tick(value: $0, label: Quantity.shortest(($0 * 1e6).rounded() / 1e6)) })
  }

  /// Makes a logarithmic axis that encloses all positive values, between 1, 2 or 5 times powers of ten.
  static func logarithmic(_ title: String, _ values: [Double], label: (Double) -> String) -> Axis {
    let positive = values.filter { $0 > 0 }
    let low = roundNumber(atMost: positive.min() ?? 1)
    let high = max(roundNumber(atLeast: positive.max() ?? 1), low * 10)
    let all = roundNumbers(from: low, to: high)
    // Over many decades, the powers of ten are enough.
    let isWide = log10(high / low) > 3.5
    let shown = isWide ? all.filter { isPowerOfTen($0) } : all
    return Axis(
      title: title, scale: .logarithmic, range: low...high, ticks: shown.map { Tick(value: $0, label: label($0)) })
  }

  private static func isPowerOfTen(_ number: Double) -> Bool {
    abs(log10(number) - log10(number).rounded()) < 1e-6
  }

  private static func roundNumbers(from low: Double, to high: Double) -> [Double] {
    let decades = Int(log10(low).rounded(.down))...Int(log10(high).rounded(.up))
    return decades.flatMap { exponent in [1.0, 2, 5].map { $0 * pow(10, Double(exponent)) } }
      .filter { $0 >= low * 0.999 && $0 <= high * 1.001 }
  }

  private static func roundNumber(atMost number: Double) -> Double {
    let decade = pow(10, log10(number).rounded(.down))
    return decade * ([5.0, 2].first { $0 * decade <= number } ?? 1)
  }

  private static func roundNumber(atLeast number: Double) -> Double {
    let decade = pow(10, log10(number).rounded(.down))
    return decade * ([1.0, 2, 5].first { $0 * decade >= number } ?? 10)
  }

  private static func roundStep(above number: Double) -> Double {
    roundNumber(atLeast: number)
  }
}
