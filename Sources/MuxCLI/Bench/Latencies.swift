import Histogram

/// A collection of latencies, in nanoseconds: their distribution to three digits, and their exact mean.
struct Latencies {
  private var histogram: Histogram<UInt64>
  private var sum = 0.0

  init() {
    // Grows only for latencies of more than a minute.
    histogram = Histogram(highestTrackableValue: 60_000_000_000)
    histogram.autoResize = true
  }

  var count: Int { Int(histogram.totalCount) }

  // Without latencies, all of these are 0.

  var minimum: Double { Double(histogram.min) }
  var maximum: Double { Double(histogram.maxRecorded) }
  var mean: Double { count > 0 ? max(minimum, min(sum / Double(count), maximum)) : 0 }
  var deviation: Double { histogram.stdDeviation }

  /// Returns the latency that this percentage of all latencies doesn't exceed.
  func value(atPercentile percentile: Double) -> Double {
    Double(histogram.valueAtPercentile(percentile))
  }

  @inline(__always)
  mutating func record(_ latency: Int) {
    histogram.record(UInt64(clamping: latency))
    sum += Double(latency)
  }

  /// Records the same latency several times.
  mutating func record(_ latency: Int, count: Int) {
    histogram.record(UInt64(clamping: latency), count: UInt64(count))
    sum += Double(latency) * Double(count)
  }
}
