import Histogram

/// Many latencies, in nanoseconds: how they are spread to three digits, and their mean to the last.
struct Latencies {
  private var histogram: Histogram<UInt64>
  private var sum = 0.0

  init() {
    // Up to a minute without growing, and with beyond that.
    histogram = Histogram(highestTrackableValue: 60_000_000_000)
    histogram.autoResize = true
  }

  var count: Int { Int(histogram.totalCount) }

  // What follows is 0 where there are none.

  var minimum: Double { Double(histogram.min) }
  var maximum: Double { Double(histogram.maxRecorded) }
  var mean: Double { count > 0 ? max(minimum, min(sum / Double(count), maximum)) : 0 }
  var deviation: Double { histogram.stdDeviation }

  /// How long so many of a hundred take at most.
  func value(atPercentile percentile: Double) -> Double {
    Double(histogram.valueAtPercentile(percentile))
  }

  @inline(__always)
  mutating func record(_ latency: Int) {
    histogram.record(UInt64(clamping: latency))
    sum += Double(latency)
  }

  /// The same latency, several times.
  mutating func record(_ latency: Int, count: Int) {
    histogram.record(UInt64(clamping: latency), count: UInt64(count))
    sum += Double(latency) * Double(count)
  }
}
