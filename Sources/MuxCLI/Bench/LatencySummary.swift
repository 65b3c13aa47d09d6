import Histogram

/// What there is to say about many latencies, in microseconds.
struct LatencySummary: Encodable {
  struct Percentile: Encodable {
    let percentile: Double
    let microseconds: Double
  }

  private static let shown = [50, 75, 90, 99, 99.9, 99.99]
  private static let nanosecondsPerMicrosecond = 1000.0

  /// How many there are.
  let count: Int
  let minimum: Double
  let mean: Double
  let deviation: Double
  let maximum: Double
  /// Rising.
  let percentiles: [Percentile]

  init(_ histogram: Histogram<UInt64>) {
    count = Int(histogram.totalCount)
    minimum = Double(histogram.min) / Self.nanosecondsPerMicrosecond
    mean = histogram.mean / Self.nanosecondsPerMicrosecond
    deviation = histogram.stdDeviation / Self.nanosecondsPerMicrosecond
    maximum = Double(histogram.maxRecorded) / Self.nanosecondsPerMicrosecond
    percentiles = Self.shown.map { Self.percentile($0, of: histogram) }
  }

  /// The whole curve, twenty points for each further nine: 0, 10.9, 20.6, ... 90, ... 99, and the maximum at the end.
  static func curve(of histogram: Histogram<UInt64>) -> [Percentile] {
    let count = Double(histogram.totalCount)
    guard count > 0 else { return [] }
    var points: [Percentile] = []
    var rest = 1.0
    while rest * count >= 1 {
      points.append(percentile(100 * (1 - rest), of: histogram))
      rest /= 1.122_018_454_301_963  // the twentieth root of ten
    }
    return points
  }

  private static func percentile(_ percentile: Double, of histogram: Histogram<UInt64>) -> Percentile {
    Percentile(
      percentile: percentile,
      microseconds: Double(histogram.valueAtPercentile(percentile)) / nanosecondsPerMicrosecond)
  }
}

extension LatencySummary {
  static let header = ["MIN", "MEAN"] + shown.map { "P\(Quantity.shortest($0))" } + ["MAX"]

  /// The figures in the order of the header.
  var cells: [String] {
    ([minimum, mean] + percentiles.map(\.microseconds) + [maximum]).map {
      Quantity.time($0 * Self.nanosecondsPerMicrosecond)
    }
  }
}
