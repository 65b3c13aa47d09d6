/// A summary of latencies, in microseconds.
struct LatencySummary: Encodable {
  struct Percentile: Encodable {
    let percentile: Double
    let microseconds: Double
  }

  private enum CodingKeys: String, CodingKey {
    case count, percentiles
    case minimum = "minimumMicroseconds"
    case mean = "meanMicroseconds"
    case deviation = "deviationMicroseconds"
    case maximum = "maximumMicroseconds"
  }

  private static let shown = [50, 75, 90, 99, 99.9, 99.99]
  private static let nanosecondsPerMicrosecond = 1000.0

  /// The number of latencies. If it is 0, the other properties are nil or empty.
  let count: Int
  let minimum: Double?
  let mean: Double?
  let deviation: Double?
  let maximum: Double?
  /// The percentiles in ascending order.
  let percentiles: [Percentile]

  init(_ latencies: Latencies) {
    func microseconds(_ nanoseconds: Double) -> Double? {
      latencies.count > 0 ? nanoseconds / Self.nanosecondsPerMicrosecond : nil
    }
    count = latencies.count
    minimum = microseconds(latencies.minimum)
    mean = microseconds(latencies.mean)
    deviation = microseconds(latencies.deviation)
    maximum = microseconds(latencies.maximum)
    percentiles = count > 0 ? Self.shown.map { Self.percentile($0, of: latencies) } : []
  }

  /// Returns the whole curve, with twenty points for each further nine: 0, 10.9, 20.6, ... 90, ... 99, and finally the
  /// maximum, as 100.
  static func curve(of latencies: Latencies) -> [Percentile] {
    let count = Double(latencies.count)
    guard count > 0 else { return [] }
    var points: [Percentile] = []
    var remainder = 1.0
    while remainder * count >= 1 {
      points.append(percentile(100 * (1 - remainder), of: latencies))
      remainder /= 1.122_018_454_301_963  // the twentieth root of ten
    }
    points.append(Percentile(percentile: 100, microseconds: latencies.maximum / nanosecondsPerMicrosecond))
    return points
  }

  private static func percentile(_ percentile: Double, of latencies: Latencies) -> Percentile {
    Percentile(
      percentile: percentile, microseconds: latencies.value(atPercentile: percentile) / nanosecondsPerMicrosecond)
  }
}

extension LatencySummary {
  static let header = ["MIN", "MEAN"] + shown.map { "P\(Quantity.shortest($0))" } + ["MAX"]

  /// The figures in the order of the header.
  var cells: [String] {
    guard count > 0 else { return Self.header.map { _ in "-" } }
    return ([minimum, mean] + percentiles.map(\.microseconds) + [maximum]).map(Self.time)
  }

  /// Formats a time for people: "12.3 µs".
  static func time(_ microseconds: Double?) -> String {
    microseconds.map { Quantity.time($0 * nanosecondsPerMicrosecond) } ?? "-"
  }
}
